"""Decode Kubernetes objects from JSON, with null read as Go reads it.

Go writes an empty slice of a field without `omitempty` as null, such as `endpoints` of an EndpointSlice, and reads null
as the zero value of any type. msgspec refuses null for a tuple. So what does not fit is tried once more without its
nulls: absent in a Struct, the empty value in a list or map.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

ValueT = TypeVar("ValueT")

_EMPTY: tuple[tuple[type[inspect.Type], Any], ...] = (
    (inspect.StrType, ""),
    (inspect.BoolType, False),
    (inspect.IntType, 0),
    (inspect.FloatType, 0.0),
    (inspect.StructType, {}),
    (inspect.DictType, {}),
    (inspect.VarTupleType, []),
    (inspect.ListType, []),
)


def decode(body: bytes | msgspec.Raw, kind: type[ValueT]) -> ValueT:
    """The value of this type. Raises msgspec.MsgspecError: DecodeError for what is not JSON, ValidationError else."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as refusal:
        known = _type(cast("Hashable", kind))
        value = msgspec.json.decode(body)
        cleaned = without_nulls(value, known)
        if cleaned == value:
            raise
        try:
            return msgspec.convert(cleaned, kind)
        except msgspec.ValidationError:
            raise refusal from None


def without_nulls(value: Any, kind: inspect.Type) -> Any:
    """A JSON value of this type without nulls: absent in a Struct, empty in a list or map. Other values are kept."""
    if isinstance(kind, inspect.UnionType):
        kind = next((one for one in kind.types if _holds(one, value)), kind)
    if isinstance(value, dict) and isinstance(kind, inspect.StructType):
        fields = {field.encode_name: field.type for field in kind.fields}
        return {
            name: without_nulls(item, fields[name]) if name in fields else item
            for name, item in value.items()
            if item is not None
        }
    if isinstance(value, dict) and isinstance(kind, inspect.DictType):
        return {name: _item(item, kind.value_type) for name, item in value.items()}
    if isinstance(value, list) and isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return [_item(item, kind.item_type) for item in value]
    return value


def _item(value: Any, kind: inspect.Type) -> Any:
    """An item of a list or map; in place of null the empty value, where the type has one."""
    if value is not None:
        return without_nulls(value, kind)
    if isinstance(kind, inspect.UnionType):
        kind = kind.types[0]
    return next((empty for one, empty in _EMPTY if isinstance(kind, one)), None)


def _holds(kind: inspect.Type, value: Any) -> bool:
    if isinstance(value, dict):
        return isinstance(kind, inspect.StructType | inspect.DictType)
    return isinstance(value, list) and isinstance(kind, inspect.VarTupleType | inspect.ListType)


@cache
def _type(kind: Hashable) -> inspect.Type:
    """The description of a type; made with the first object that needs it."""
    return inspect.type_info(kind)
