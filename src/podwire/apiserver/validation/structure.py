"""Check an object against its schema: JSON types, known fields, required fields.

Source of the words: Go's encoding/json as sigs.k8s.io/json has it; kube-apiserver's strict decoding.
"""

from __future__ import annotations

import binascii
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors
from podwire.apiserver.kinds.schema import resolve
from podwire.kube import quantities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.kinds.schema import Schema

_LIMITS = {"int32": 2**31, "int64": 2**63, "": 2**63}
HAVE_ZERO_VALUES = {"array", "boolean", "integer", "number"}
QUANTITY = r"([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)"
QUANTITY_NAME = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_NOT_A_QUANTITY = f"quantities must match the regular expression '^{QUANTITY}$'"
_UNKNOWN_SUFFIX = "unable to parse quantity's suffix"
_RFC3339 = "2006-01-02T15:04:05Z07:00"


class MistypedError(ValueError):
    """A value has the wrong JSON type; the text is Go's message."""


def check_types(schema: Schema, value: Any, kind: str) -> None:
    """Raise MistypedError for the first value of the wrong JSON type. Null counts as absent.

    `kind` is the name of the outermost type, as messages show it.
    """
    _check(schema, value, kind, "")


def unknown_fields(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """The paths of all fields that the schema does not have."""
    found = resolve(schema)
    if isinstance(value, list) and found.items is not None:
        for position, item in enumerate(value):
            yield from unknown_fields(found.items, item, f"{path}[{position}]")
    elif isinstance(value, dict) and found.type == "object" and not found.any_object:
        for name, inner in value.items():
            declared = found.properties.get(name, found.additional)
            inner_path = f"{path}.{name}" if path else name
            if declared is None:
                yield inner_path
            else:
                yield from unknown_fields(declared, inner, inner_path)


def drop_unknown_fields(schema: Schema, value: Any) -> None:
    """Remove, in place, all fields that the schema does not have, as Go's decoder does."""
    found = resolve(schema)
    if isinstance(value, list) and found.items is not None:
        for item in value:
            drop_unknown_fields(found.items, item)
    elif isinstance(value, dict) and found.type == "object" and not found.any_object:
        for name in tuple(value):
            declared = found.properties.get(name, found.additional)
            if declared is None:
                del value[name]
            else:
                drop_unknown_fields(declared, value[name])


def missing_fields(schema: Schema, value: Any, path: str = "") -> Iterator[Cause]:
    """Required fields that are absent, outside of the status.

    Lists, numbers and booleans may be absent upstream too: they decode to Go's zero value, which is checked by value.
    """
    found = resolve(schema)
    if isinstance(value, list) and found.items is not None:
        for position, item in enumerate(value):
            yield from missing_fields(found.items, item, f"{path}[{position}]")
    elif isinstance(value, dict):
        for name in found.required:
            if value.get(name) is None and resolve(found.properties[name]).type not in HAVE_ZERO_VALUES:
                yield field_errors.required(f"{path}.{name}" if path else name)
        for name, inner in value.items():
            declared = found.properties.get(name, found.additional)
            if declared is not None and not (path == "" and name == "status"):
                yield from missing_fields(declared, inner, f"{path}.{name}" if path else name)


def _check(schema: Schema, value: Any, owner: str, path: str) -> None:
    """`owner` is the Go struct that has the field, `path` the field's path from the outermost object."""
    if value is None:
        return
    found = resolve(schema)
    if found.one_of:
        _check_choice(schema, value, owner, path)
    elif found.type and not _fits(found, value):
        raise _mismatch(schema, value, owner, path)
    elif isinstance(value, dict):
        inner_owner = schema.ref.rpartition(".")[2] or owner
        for name, inner in value.items():
            declared = found.properties.get(name)
            if declared is not None:
                _check(declared, inner, inner_owner, f"{path}.{name}" if path else name)
            elif found.additional is not None:
                _check(found.additional, inner, inner_owner, path)
    elif isinstance(value, list) and found.items is not None:
        for item in value:
            _check(found.items, item, owner, path)
    elif isinstance(value, str) and found.format:
        _check_format(found.format, value)


def _fits(schema: Schema, value: Any) -> bool:
    match schema.type:
        case "string":
            return isinstance(value, str)
        case "integer":
            limit = _LIMITS.get(schema.format, 2**63)
            return isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def _check_choice(schema: Schema, value: Any, owner: str, path: str) -> None:
    """IntOrString and Quantity: a text or a number."""
    if isinstance(value, bool | dict | list):
        type_ = "string" if schema.ref == QUANTITY_NAME else "int32"
        raise MistypedError(_unmarshal(value, owner, path, type_))
    if schema.ref == QUANTITY_NAME:
        if isinstance(value, str) and not re.fullmatch(QUANTITY, value.strip()):
            raise MistypedError(_NOT_A_QUANTITY)
        if isinstance(value, str) and quantities.parse(value.strip()) is None:
            raise MistypedError(_UNKNOWN_SUFFIX)
    elif isinstance(value, float) or (isinstance(value, int) and not -(2**31) <= value < 2**31):
        raise MistypedError(_unmarshal(value, owner, path, "int32"))


def _check_format(form: str, value: str) -> None:
    if form == "byte":
        try:
            binascii.a2b_base64(value, strict_mode=True)
        except binascii.Error:
            wrong = re.search(r"[^A-Za-z0-9+/]", value)
            position = wrong.start() if wrong else len(value) - len(value) % 4
            raise MistypedError(f"illegal base64 data at input byte {position}") from None
    elif form == "date-time":
        try:
            datetime.fromisoformat(value)
        except ValueError:
            text = f'parsing time "{value}" as "{_RFC3339}": cannot parse "{value}" as "2006"'
            raise MistypedError(text) from None


def _mismatch(schema: Schema, value: Any, owner: str, path: str) -> MistypedError:
    return MistypedError(_unmarshal(value, owner, path, _go_type(schema)))


def _unmarshal(value: Any, owner: str, path: str, type_: str) -> str:
    place = f"struct field {owner}.{path}" if path else "value"
    return f"json: cannot unmarshal {_word(value, type_)} into Go {place} of type {type_}"


def _word(value: Any, type_: str) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}" if type_.startswith("int") else "number"
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "string"


def _go_type(schema: Schema) -> str:
    if schema.ref:
        package, _, name = schema.ref.rpartition(".")
        found = resolve(schema)
        return f"{package.rpartition('.')[2]}.{name}" if found.type == "object" else "string"
    match schema.type:
        case "array":
            return f"[]{_go_type(schema.items)}" if schema.items is not None else "[]interface {}"
        case "object":
            return f"map[string]{_go_type(schema.additional)}" if schema.additional else "map[string]interface {}"
        case "boolean":
            return "bool"
        case "number":
            return "float64"
        case "integer":
            return schema.format or "int64"
        case _:
            return "[]uint8" if schema.format == "byte" else "string"
