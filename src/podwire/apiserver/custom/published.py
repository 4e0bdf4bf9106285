"""A structural schema as others read it: OpenAPI v3 for clients, the form of built-in schemas for this server.

Source: k8s.io/apiextensions-apiserver `pkg/controller/openapi/builder`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.apiserver.custom.structural import META_FIELDS, Structural
from podwire.apiserver.documents.openapi_schemas import META, reference
from podwire.apiserver.kinds.schema import Schema

Object = dict[str, Any]

_TEXTS = {
    "apiVersion": "APIVersion defines the versioned schema of this representation of an object. Servers should convert "
    "recognized schemas to the latest internal value, and may reject unrecognized values. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
    "kind": "Kind is a string value representing the REST resource this object represents. Servers may infer this from "
    "the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
    "metadata": "Standard object's metadata. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
}
_CHOICE = (Schema(type="integer"), Schema(type="string"))


def openapi(schema: Object) -> Object:
    """The schema of a version with what every object has: apiVersion, kind and metadata."""
    properties = {**schema.get("properties", {}), **_own_fields()}
    return {**schema, "type": "object", "properties": dict(sorted(properties.items()))}


def fields(schema: Structural) -> Schema:
    """The schema of a version with ObjectMeta as metadata."""
    properties = {name: _field(inner) for name, inner in schema.properties.items() if name not in META_FIELDS}
    own = {name: Schema(type="string") for name in META_FIELDS[:2]} | {"metadata": Schema(ref=f"{META}.ObjectMeta")}
    return Schema(type="object", properties={**own, **properties}, additional=_additional(schema))


def _own_fields() -> Object:
    metadata = {"description": _TEXTS["metadata"], "allOf": [reference(f"{META}.ObjectMeta")]}
    return {name: {"type": "string", "description": _TEXTS[name]} for name in META_FIELDS[:2]} | {"metadata": metadata}


def _field(schema: Structural) -> Schema:
    default = None if schema.default is msgspec.UNSET else schema.default
    if schema.int_or_string:
        return Schema(one_of=_CHOICE, default=default)
    if schema.preserve and not schema.type:
        return Schema()
    return Schema(
        type=schema.type,
        format=schema.format,
        default=default,
        properties={name: _field(inner) for name, inner in schema.properties.items()},
        required=schema.required,
        items=None if schema.items is None else _field(schema.items),
        additional=_additional(schema),
        list_type=schema.list_type,
        list_map_keys=schema.list_map_keys,
        map_type=schema.map_type,
    )


def _additional(schema: Structural) -> Schema | None:
    """Keys beside the declared fields: of a map, or unknown ones that are kept."""
    if isinstance(schema.additional, Structural):
        return _field(schema.additional)
    return Schema() if schema.preserve or schema.additional is True else None
