"""Check a value against its schema: types, limits, patterns, combinations.

Source of the words: k8s.io/kube-openapi `pkg/validation/errors`, and how k8s.io/apiextensions-apiserver
`pkg/apiserver/validation/validation.go` turns them into field errors.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from podwire.apiserver.base import field_errors
from podwire.apiserver.base.field_errors import Cause
from podwire.apiserver.base.json_equality import json_equal
from podwire.apiserver.custom import formats, patterns
from podwire.apiserver.custom.structural import Structural, known_by_nature

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPE_INVALID = "FieldValueTypeInvalid"
BLOCKING = frozenset(
    {"FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", TYPE_INVALID}
)
"""Reasons after which CEL rules are not evaluated: their expressions rely on types and limits."""

_INTEGERS = {"int32": 31, "int64": 63}


def problems(schema: Structural, value: Any, path: str = "", *, root: bool = False) -> Iterator[Cause]:
    """Return everything that is wrong with a value at a path."""
    if value is None and schema.nullable:
        return
    wrong = _type_problem(schema, value, path)
    if wrong is not None:
        yield wrong
        return
    if schema.enum and not any(json_equal(value, choice) for choice in schema.enum):
        choices = (choice if isinstance(choice, str) else json.dumps(choice) for choice in schema.enum)
        yield field_errors.unsupported(path, value, choices)
    yield from _limits(schema, value, path)
    yield from _combinations(schema, value, path)
    if isinstance(value, dict):
        yield from _fields(schema, value, path, root=root)
    elif isinstance(value, list) and schema.items is not None:
        for position, item in enumerate(value):
            yield from problems(schema.items, item, f"{path}[{position}]")


def _type_problem(schema: Structural, value: Any, path: str) -> Cause | None:
    desired = "integer,string" if schema.int_or_string and not schema.type else schema.type
    if not desired or (schema.preserve and not schema.type):
        return None
    if any(_has_type(value, one) for one in desired.split(",")):
        return None
    found = _type_of(value)
    shown = '"null"' if value is None else json.dumps(found)
    return Cause(path, TYPE_INVALID, f"Invalid value: {shown}: {path} in body must be of type {desired}: {shown}")


def _has_type(value: Any, desired: str) -> bool:
    found = _type_of(value)
    return found == desired or (desired == "number" and found == "integer")


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value) and value.is_integer()):
        return "integer"
    names = {float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _limits(schema: Structural, value: Any, path: str) -> Iterator[Cause]:
    if isinstance(value, bool):
        return
    if isinstance(value, int | float):
        yield from _number(schema, value, path)
    elif isinstance(value, str):
        yield from _text(schema, value, path)
    elif isinstance(value, list):
        yield from _list(schema, value, path)
    elif isinstance(value, dict):
        count = len(value)
        if schema.min_properties is not None and count < schema.min_properties:
            yield field_errors.invalid(
                path, value, f"{path} in body should have at least {schema.min_properties} properties"
            )
        if schema.max_properties is not None and count > schema.max_properties:
            yield field_errors.too_many(path, count, schema.max_properties)


def _number(schema: Structural, value: float, path: str) -> Iterator[Cause]:
    low, high = schema.minimum, schema.maximum
    if low is not None and (value < low or (schema.exclusive_minimum and value == low)):
        words = "greater than" if schema.exclusive_minimum else "greater than or equal to"
        yield field_errors.invalid(path, value, f"{path} in body should be {words} {low:g}")
    if high is not None and (value > high or (schema.exclusive_maximum and value == high)):
        words = "less than" if schema.exclusive_maximum else "less than or equal to"
        yield field_errors.invalid(path, value, f"{path} in body should be {words} {high:g}")
    if schema.multiple_of and not math.isclose(value / schema.multiple_of, round(value / schema.multiple_of)):
        yield field_errors.invalid(path, value, f"{path} in body should be a multiple of {schema.multiple_of:g}")
    bits = _INTEGERS.get(schema.format)
    if bits is not None and not -(2**bits) <= value < 2**bits:
        yield field_errors.invalid(
            path, value, f"{path} in body must be of type {schema.format}: {json.dumps(str(value))}"
        )


def _text(schema: Structural, value: str, path: str) -> Iterator[Cause]:
    if schema.max_length is not None and len(value) > schema.max_length:
        yield field_errors.too_long(path, schema.max_length)
    if schema.min_length is not None and len(value) < schema.min_length:
        yield field_errors.invalid(path, value, f"{path} in body should be at least {schema.min_length} chars long")
    if schema.pattern and not patterns.found(schema.pattern, value):
        yield field_errors.invalid(path, value, f"{path} in body should match '{schema.pattern}'")
    if schema.format and not formats.fits(schema.format, value):
        detail = f"{path} in body must be of type {schema.format}: {json.dumps(value)}"
        yield field_errors.invalid(path, value, detail)


def _list(schema: Structural, value: list[Any], path: str) -> Iterator[Cause]:
    if schema.max_items is not None and len(value) > schema.max_items:
        yield field_errors.too_many(path, len(value), schema.max_items)
    if schema.min_items is not None and len(value) < schema.min_items:
        yield field_errors.invalid(path, value, f"{path} in body should have at least {schema.min_items} items")


def _combinations(schema: Structural, value: Any, path: str) -> Iterator[Cause]:
    for one in schema.all_of:
        yield from problems(one, value, path)
    if schema.any_of and not any(_valid(one, value) for one in schema.any_of):
        yield field_errors.invalid(path, "", f'"{path}" must validate at least one schema (anyOf)')
    if schema.one_of:
        count = sum(_valid(one, value) for one in schema.one_of)
        if count != 1:
            found = f"Found {count} valid alternatives" if count else "Found none valid"
            yield field_errors.invalid(path, "", f'"{path}" must validate one and only one schema (oneOf). {found}')
    if schema.negated is not None and _valid(schema.negated, value):
        yield field_errors.invalid(path, "", f'"{path}" must not validate the schema (not)')


def _valid(schema: Structural, value: Any) -> bool:
    return next(problems(schema, value), None) is None


def _fields(schema: Structural, value: dict[str, Any], path: str, *, root: bool) -> Iterator[Cause]:
    for name in schema.required:
        if name not in value:
            yield field_errors.required(f"{path}.{name}" if path else name)
    for name, inner in value.items():
        declared = schema.child(name)
        if declared is not None and not (known_by_nature(schema, name, root=root) and name != "metadata"):
            yield from problems(declared, inner, f"{path}.{name}" if path else name)
