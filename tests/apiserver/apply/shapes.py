"""A small kind with every form of fields, for tests of the pure part."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.apiserver.apply.shapes import SchemaShapes, Shape
from podwire.apiserver.kinds import builtin
from podwire.apiserver.kinds.resources import Resource
from podwire.apiserver.kinds.schema import Schema

REGISTRY = builtin.registry()
SHAPES = SchemaShapes()

Object = dict[str, Any]


def resource(api_version: str, kind: str) -> Resource:
    """A built-in kind."""
    found = REGISTRY.by_kind(api_version, kind)
    assert found is not None
    return found


def shape(api_version: str, kind: str) -> Shape:
    """The shape of a built-in kind's objects."""
    return SHAPES(resource(api_version, kind))


TEXT = {"type": "string"}
ITEM = {"type": "object", "properties": {"name": TEXT, "value": TEXT}}
SCHEMA = {
    "type": "object",
    "properties": {
        "plain": TEXT,
        "atomic": {"type": "array", "items": TEXT},
        "set": {"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
        "map": {
            "type": "array",
            "items": ITEM,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "whole": {"type": "object", "additionalProperties": TEXT, "x-kubernetes-map-type": "atomic"},
        "free": {"type": "object", "additionalProperties": TEXT},
        "inner": {"type": "object", "properties": {"a": TEXT, "b": TEXT}},
        "any": {},
    },
}


def small() -> Shape:
    """The shape of SCHEMA."""
    return SHAPES.of_schema(msgspec.convert(SCHEMA, Schema))
