"""Maps without entries, which Go leaves out (`omitempty`): a node selector or data that says nothing is absent.

Objects with fields of their own stay: `emptyDir: {}` says something. Kinds of users keep what they are given.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from podwire.apiserver.kinds import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.kinds.schema import Schema

Object = dict[str, Any]


class _Part(NamedTuple):
    """A field that is a map, or a list, or neither; and the definition of its objects where they hold maps too."""

    name: str
    is_map: bool
    is_list: bool
    inner: str


def drop_empty_maps(resource: Resource, obj: Object) -> None:
    """Take the empty maps of an object away, in place. It must have passed `validation.mistyped`."""
    if resource.custom is None:
        _drop(obj, schema.definition_name(resource.api_version, resource.kind))


def _drop(obj: Object, definition: str) -> None:
    for name, is_map, is_list, inner in _parts(definition):
        found = obj.get(name)
        if found is None:
            continue
        if is_map and not found:
            del obj[name]
        elif inner:
            below: Iterable[Object] = found.values() if is_map else found if is_list else (found,)
            for one in below:
                _drop(one, inner)


@functools.cache
def _parts(definition: str) -> tuple[_Part, ...]:
    """The fields of a definition that are maps, or lead to some: an object has few, and only those are looked at."""
    found = []
    for name, declared in schema.definition(definition).properties.items():
        part = _part(name, declared)
        if not _leads_to_maps(part.inner):
            part = part._replace(inner="")
        if part.is_map or part.inner:
            found.append(part)
    return tuple(found)


def _part(name: str, declared: Schema) -> _Part:
    value = schema.resolve(declared)
    held = value.additional or value.items
    return _Part(
        name, value.additional is not None, value.items is not None, declared.ref if held is None else held.ref
    )


@functools.cache
def _leads_to_maps(definition: str) -> bool:
    """Whether an object of this definition has a map somewhere."""
    seen, pending = {definition, ""}, [definition] if definition else []
    while pending:
        for name, declared in schema.definition(pending.pop()).properties.items():
            part = _part(name, declared)
            if part.is_map:
                return True
            if part.inner not in seen:
                seen.add(part.inner)
                pending.append(part.inner)
    return False
