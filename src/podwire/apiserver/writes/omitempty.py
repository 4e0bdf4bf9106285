"""What Go leaves out of JSON (`omitempty`): maps and lists without entries, and counts of zero in a status.

Objects with fields of their own stay: `emptyDir: {}` is a volume. Kinds of users keep what they are given.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from podwire.apiserver.bodies.protobuf import messages
from podwire.apiserver.kinds import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.kinds.schema import Schema

Object = dict[str, Any]


class _Part(NamedTuple):
    """A field; whether it is left out when empty, and the definition of its objects where they have such fields."""

    name: str
    is_map: bool
    is_list: bool
    omitted: bool
    inner: str


def drop_empty(resource: Resource, obj: Object) -> None:
    """Remove the empty maps and lists of an object, in place. It must have passed `validation.mistyped`."""
    if resource.custom is None:
        _drop(obj, schema.definition_name(resource.api_version, resource.kind))


def _drop(obj: Object, definition: str) -> None:
    for name, is_map, is_list, omitted, inner in _parts(definition):
        found = obj.get(name)
        if found is None:
            continue
        if omitted and not found:
            del obj[name]
        elif inner:
            below: Iterable[Object] = found.values() if is_map else found if is_list else (found,)
            for one in below:
                _drop(one, inner)


@functools.cache
def _parts(definition: str) -> tuple[_Part, ...]:
    """The fields of a definition that may be left out, or lead to some: only those are looked at."""
    found = []
    for name, declared in schema.definition(definition).properties.items():
        part = _part(definition, name, declared)
        if not _leads_to_omitted(part.inner):
            part = part._replace(inner="")
        if part.omitted or part.inner:
            found.append(part)
    return tuple(found)


def _part(owner: str, name: str, declared: Schema) -> _Part:
    value = schema.resolve(declared)
    held = value.additional or value.items
    is_map, is_list = value.additional is not None, value.type == "array"
    omitted = is_map or (is_list and schema.omits_empty_list(owner, name))
    return _Part(name, is_map, is_list, omitted, declared.ref if held is None else held.ref)


@functools.cache
def _leads_to_omitted(definition: str) -> bool:
    """Whether an object of this definition has a field somewhere that may be left out."""
    seen, pending = {definition, ""}, [definition] if definition else []
    while pending:
        owner = pending.pop()
        for name, declared in schema.definition(owner).properties.items():
            part = _part(owner, name, declared)
            if part.omitted:
                return True
            if part.inner not in seen:
                seen.add(part.inner)
                pending.append(part.inner)
    return False


def without_zeros(resource: Resource, state: Any) -> Any:
    """The status as Go writes it: false, 0 and "" are absent where its struct has omitempty."""
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
