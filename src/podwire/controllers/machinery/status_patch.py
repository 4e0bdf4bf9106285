"""A status as a merge patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from podwire.kube.meta import Struct


COLLISIONS = "collisionCount"
"""A field that upstream's controllers of Deployments and DaemonSets write from the first collision on."""


def whole(status: Struct, *, unless_zero: str = "") -> dict[str, Any]:
    """Return all fields, with zeros, so that they replace former values; no empty texts, nor `unless_zero` where 0."""
    pairs = ((field.encode_name, getattr(status, field.name)) for field in msgspec.structs.fields(type(status)))
    body = {name: msgspec.to_builtins(value) for name, value in pairs if value != "" and value is not None}
    if unless_zero and not body[unless_zero]:
        del body[unless_zero]
    return body
