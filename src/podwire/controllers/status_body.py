"""A status as the body of a merge patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from podwire.kube.meta import Struct


def whole(status: Struct) -> dict[str, Any]:
    """All fields, zeros too, so that they replace what stood there; no empty texts."""
    pairs = ((field.encode_name, getattr(status, field.name)) for field in msgspec.structs.fields(type(status)))
    return {name: msgspec.to_builtins(value) for name, value in pairs if value != "" and value is not None}
