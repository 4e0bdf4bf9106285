"""Check that a schema is structural and has no contradictions.

Source: k8s.io/apiextensions-apiserver `pkg/apiserver/schema/validation.go`, `pkg/apis/apiextensions/validation`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base import field_errors
from podwire.apiserver.custom import checking, patterns, structural
from podwire.apiserver.custom.structural import META_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_LOGIC = ("allOf", "anyOf", "oneOf")
_ONLY_OUTSIDE = (
    "type",
    "additionalProperties",
    "default",
    "description",
    "nullable",
    "title",
    "x-kubernetes-list-type",
)
_UNSUPPORTED = ("$ref", "definitions", "dependencies", "id", "patternProperties", "additionalItems")
_SIMPLE = frozenset({"boolean", "integer", "number", "string"})


def problems(schema: Field) -> Iterator[Cause]:
    """Everything that is wrong with the schema of a version."""
    if not isinstance(schema.value, dict):
        yield schema.invalid("must be an object")
        return
    try:
        structural.convert(schema.value)
    except msgspec.ValidationError as error:
        yield field_errors.invalid(schema.path, "object", f"cannot be read as a schema: {error}")
        return
    if schema["type"].value != "object":
        yield (
            schema["type"].invalid("must be object at the root")
            if schema["type"]
            else schema["type"].required("must not be empty at the root")
        )
    yield from _schema(schema, root=True)


def _schema(schema: Field, *, root: bool = False) -> Iterator[Cause]:
    value: dict[str, Any] = schema.value if isinstance(schema.value, dict) else {}
    yield from (schema[name].forbidden(f"{name} is not supported") for name in _UNSUPPORTED if name in value)
    yield from _type(schema, value, root=root)
    yield from _unsound(schema, value)
    for name in value.get("properties") or {}:
        child = schema["properties"].key(name)
        if not (root and name in META_FIELDS):
            yield from _schema(child)
    if isinstance(value.get("items"), dict):
        yield from _schema(schema["items"])
    if isinstance(value.get("additionalProperties"), dict):
        yield from _schema(schema["additionalProperties"])
    yield from _value_rules(schema, value)


def _type(schema: Field, value: dict[str, Any], *, root: bool) -> Iterator[Cause]:
    kind = value.get("type", "")
    free = value.get("x-kubernetes-int-or-string") or value.get("x-kubernetes-preserve-unknown-fields")
    if not kind and not free and not root:
        yield schema["type"].required("must not be empty for specified object fields")
    elif kind and kind not in _TYPES:
        yield schema["type"].unsupported(_TYPES)
    if kind and value.get("x-kubernetes-int-or-string"):
        yield schema["type"].invalid("must be empty if x-kubernetes-int-or-string is true")
    if kind == "array" and not isinstance(value.get("items"), dict):
        yield schema["items"].required("must be specified")
    if value.get("x-kubernetes-embedded-resource") and kind != "object":
        yield schema["type"].invalid("must be object if x-kubernetes-embedded-resource is true")


def _unsound(schema: Field, value: dict[str, Any]) -> Iterator[Cause]:
    if value.get("properties") and value.get("additionalProperties"):
        yield schema["additionalProperties"].forbidden("additionalProperties and properties are mutual exclusive")
    if value.get("uniqueItems"):
        yield schema["uniqueItems"].forbidden(
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        )
    if isinstance(value.get("pattern"), str) and (why := patterns.problem(value["pattern"])):
        yield schema["pattern"].invalid(f"must be a valid regular expression, but isn't: {why}")
    yield from _list_type(schema, value)
    if "default" in value:
        declared = structural.convert({key: part for key, part in value.items() if key != "default"})
        for cause in checking.problems(declared, value["default"]):
            yield field_errors.invalid(f"{schema.path}.default{cause.field}", value["default"], cause.message)


def _list_type(schema: Field, value: dict[str, Any]) -> Iterator[Cause]:
    kind, items = value.get("x-kubernetes-list-type"), value.get("items") or {}
    place = schema["x-kubernetes-list-type"]
    if kind is None:
        return
    if kind not in {"atomic", "set", "map"}:
        yield place.unsupported(("atomic", "set", "map"))
    elif (
        kind == "set"
        and items.get("type") not in _SIMPLE
        and items.get("x-kubernetes-map-type") != "atomic"
        and items.get("x-kubernetes-list-type") != "atomic"
    ):
        yield place.invalid("items of a set are plain values, or atomic")
    elif kind == "map":
        yield from _map_keys(schema, value, items)


def _map_keys(schema: Field, value: dict[str, Any], items: dict[str, Any]) -> Iterator[Cause]:
    keys = value.get("x-kubernetes-list-map-keys") or ()
    place = schema["x-kubernetes-list-map-keys"]
    if not keys:
        yield place.required("must not be empty if x-kubernetes-list-type is map")
    for position, key in enumerate(keys):
        declared = (items.get("properties") or {}).get(key)
        if declared is None:
            yield field_errors.invalid(f"{place.path}[{position}]", key, "must name a field of the items")
        elif key not in (items.get("required") or ()) and "default" not in declared:
            path = f"{schema.path}.items.properties[{key}].default"
            yield field_errors.required(
                path,
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            )


def _value_rules(schema: Field, value: dict[str, Any]) -> Iterator[Cause]:
    """Keywords under allOf, anyOf, oneOf and not may only restrict."""
    inner = [entry for name in _LOGIC for entry in schema[name]]
    inner += [schema["not"]] if isinstance(value.get("not"), dict) else []
    for entry in inner:
        given = entry.value if isinstance(entry.value, dict) else {}
        for name in _ONLY_OUTSIDE:
            if name in given and not (name == "type" and value.get("x-kubernetes-int-or-string")):
                yield entry[name].forbidden("must be empty to be structural")
        for name in given.get("properties") or {}:
            if name not in (value.get("properties") or {}) and not value.get("x-kubernetes-preserve-unknown-fields"):
                yield (
                    schema["properties"].key(name).required(f"because it is defined in {entry.path}.properties[{name}]")
                )
