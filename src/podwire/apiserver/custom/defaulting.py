"""Filling in the defaults of a schema. Source: k8s.io/apiextensions-apiserver `pkg/apiserver/schema/defaulting`."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from podwire.apiserver.custom.structural import Structural

Object = dict[str, Any]


def complete(schema: Structural, value: Any) -> None:
    """Give every absent field of a value its default, in place; defaults inside of defaults too."""
    if isinstance(value, dict):
        for name, declared in schema.properties.items():
            if declared.default is not msgspec.UNSET and _absent(value, name, declared):
                value[name] = copy.deepcopy(declared.default)
            if name in value:
                complete(declared, value[name])
        if isinstance(schema.additional, Structural):
            for name, inner in value.items():
                if name not in schema.properties:
                    complete(schema.additional, inner)
    elif isinstance(value, list) and schema.items is not None:
        for item in value:
            complete(schema.items, item)


def has_defaults(schema: Structural) -> bool:
    """Whether a schema has a default anywhere."""
    inner = [*schema.properties.values(), *((schema.items,) if schema.items else ())]
    if isinstance(schema.additional, Structural):
        inner.append(schema.additional)
    return schema.default is not msgspec.UNSET or any(has_defaults(one) for one in inner)


def _absent(value: Object, name: str, declared: Structural) -> bool:
    return name not in value or (value[name] is None and not declared.nullable)
