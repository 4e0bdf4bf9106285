"""What the server fills in where the user said nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podwire.apiserver.resources import Resource


def apply(resource: Resource, obj: dict[str, Any]) -> None:
    """Complete an object in place, as upstream's defaulting does; a complete object stays as it is."""
