"""Counts of zero that Go leaves out of a status (`omitempty`): scripts ask whether `unavailableReplicas` is empty.

Which fields those are is in the derived table of messages (data/README.md). Kinds of users keep what they are given.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from podwire.apiserver.bodies.protobuf import messages
from podwire.apiserver.kinds import schema

if TYPE_CHECKING:
    from podwire.apiserver.kinds.resources import Resource


def without_zeros(resource: Resource, state: Any) -> Any:
    """The status as Go writes it: false, 0 and "" are absent where its struct says so."""
    if resource.custom is not None or not isinstance(state, dict):
        return state
    omitted = _omitted(schema.definition_name(resource.api_version, resource.kind))
    return {name: value for name, value in state.items() if value or name not in omitted}


@functools.cache
def _omitted(definition: str) -> frozenset[str]:
    """The fields of a kind's status that are absent when they are zero."""
    declared = schema.definition(definition).properties.get("status")
    if declared is None or not declared.ref:
        return frozenset()
    return frozenset(field.name for field in messages.message(declared.ref).values() if field.zero_is_absent)
