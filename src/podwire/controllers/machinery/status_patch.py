"""A status as a merge patch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.kube.meta import Condition, Object, Struct


COLLISIONS = "collisionCount"
"""A field that upstream's controllers of Deployments and DaemonSets write from the first collision on."""


def whole(status: Struct, *, unless_zero: str = "") -> dict[str, Any]:
    """Return all fields, with zeros, so that they replace former values; no empty texts, nor `unless_zero` where 0."""
    pairs = ((field.encode_name, getattr(status, field.name)) for field in msgspec.structs.fields(type(status)))
    body = {name: msgspec.to_builtins(value) for name, value in pairs if value != "" and value is not None}
    if unless_zero and not body[unless_zero]:
        del body[unless_zero]
    return body


def versioned(item: Object, status: dict[str, Any]) -> dict[str, Any]:
    """Return the merge patch of a status that holds lists: it is refused if the object has changed."""
    return {"metadata": {"resourceVersion": item.metadata.resource_version}, "status": status}


def with_conditions(item: Object, status: dict[str, Any], before: Sequence[Condition]) -> dict[str, Any]:
    """Return the merge patch of a status whose conditions others write too.

    Unchanged conditions are left out, so that the patch cannot undo another write; changed ones are refused if the
    object has changed.
    """
    if status["conditions"] != msgspec.to_builtins(tuple(before)):
        return versioned(item, status)
    return {"status": {name: value for name, value in status.items() if name != "conditions"}}
