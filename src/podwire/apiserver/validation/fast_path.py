"""Check objects at the speed of C, by msgspec types that are made of the published schemas.

What fits is in order: known fields only, each of the right JSON type, no nulls, no empty maps and lists that Go leaves
out, and all that are required. What does not fit may be in order too: `structure` then checks it value by value, and
has the messages.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from podwire.apiserver.kinds.schema import Schema, definition, omits_empty_list, resolve
from podwire.apiserver.validation.structure import HAVE_ZERO_VALUES, QUANTITY_NAME
from podwire.kube import quantities

Type = Any
"""A type that msgspec converts to."""

COMPILE_AFTER = 32
"""Objects of a kind before its types are made: they cost 20 ms and 0.4 MB for pods, more than a few objects save."""

_UNNAMED = "Part"
"""The type of an object that is no definition of its own."""

_NOTHING = Annotated[int, Meta(ge=1, le=0)]
"""No value fits: it is left to `structure`."""

_DAY = r"\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_STRINGS: dict[str, Type] = {
    "": str,
    "byte": _NOTHING,
    "date-time": Annotated[str, Meta(pattern=rf"\A{_DAY}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?Z\Z")],
}
_INTEGERS: dict[str, Type] = {
    "": Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
    "int32": Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    "int64": Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)],
}
_QUANTITY: Type = Annotated[str, Meta(pattern=rf"\A{quantities.PATTERN}\Z")] | int | float
_INT_OR_STRING: Type = str | _INTEGERS["int32"]


@functools.cache
def types() -> Types:
    """Return the types of this process."""
    return Types()


class Types:
    """The types of definitions. Those of a kind are made after `compile_after` of its objects."""

    def __init__(self, compile_after: int = COMPILE_AFTER) -> None:
        self._compile_after = compile_after
        self._seen: dict[str, int] = {}
        self._made: dict[str, Type] = {}

    def fits(self, definition_name: str, value: Any) -> bool:
        """Whether an object conforms to this definition; False also where that is not known."""
        seen = self._seen.get(definition_name, 0)
        if seen < self._compile_after:
            self._seen[definition_name] = seen + 1
            return False
        try:
            msgspec.convert(value, self._named(definition_name))
        except msgspec.ValidationError:
            return False
        return True

    def _named(self, name: str) -> Type:
        made = self._made.get(name)
        if made is None:
            self._made[name] = _NOTHING  # meanwhile: what contains itself is left to `structure`
            made = self._made[name] = self._of(definition(name), name)
        return made

    def _of(self, schema: Schema, name: str = _UNNAMED) -> Type:
        if schema.ref and schema.ref != QUANTITY_NAME:
            return self._named(schema.ref)
        found = resolve(schema)
        if found.one_of:
            return _QUANTITY if schema.ref == QUANTITY_NAME else _INT_OR_STRING
        match found.type:
            case "object":
                return self._object(found, name)
            case "array":
                return list if found.items is None else list[self._of(found.items)]  # type: ignore[misc]
            case "string":
                return _STRINGS.get(found.format, str)
            case "integer":
                return _INTEGERS[found.format]
            case "number":
                return int | float
            case "boolean":
                return bool
            case _:
                return Any

    def _object(self, schema: Schema, name: str) -> Type:
        if schema.any_object:
            return dict
        if schema.additional is not None:
            return _NOTHING if schema.properties else self._map(schema.additional)
        names = {f"field{position}": field for position, field in enumerate(schema.properties)}
        members = [(member, *self._property(schema, field, name)) for member, field in names.items()]
        return msgspec.defstruct(name, members, rename=names, forbid_unknown_fields=True, kw_only=True, gc=False)

    def _map(self, values: Schema) -> Type:
        """A map with entries; one without is left to `omitempty`."""
        return Annotated[dict[str, self._of(values)], Meta(min_length=1)]  # type: ignore[misc]

    def _property(self, schema: Schema, name: str, owner: str) -> tuple[Type, ...]:
        """Return a field's type, and None as default where it may be absent. Empty lists that Go omits do not fit."""
        declared = schema.properties[name]
        kind = self._of(declared)
        if resolve(declared).type == "array" and owner != _UNNAMED and omits_empty_list(owner, name):
            kind = Annotated[kind, Meta(min_length=1)]
        if name in schema.required and resolve(declared).type not in HAVE_ZERO_VALUES:
            return (kind,)
        return kind, None
