"""OpenAPI v2: the definitions of custom kinds, which its clients cannot know; those of built-in kinds are in v3.

Version 2 has no `nullable` and no junctors, and kubectl refuses unknown fields of an object that declares any: both are
left out where they occur. Source: k8s.io/apiextensions-apiserver `pkg/controller/openapi/v2/conversion.go`, `builder`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.documents import openapi_schemas

if TYPE_CHECKING:
    from collections.abc import Iterable

    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

_PREFIX = "#/definitions/"
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_MARKER = "x-kubernetes-group-version-kind"
_JUNCTORS = frozenset({"allOf", "anyOf", "oneOf", "not"})
_INSIDE = frozenset({"items", "properties"})


def document(resources: Iterable[Resource]) -> Object:
    """The document of these resources; built-in ones have no part in it."""
    components: dict[str, Object] = {}
    for resource in resources:
        if resource.custom is not None:
            components.update(openapi_schemas.of_user(resource, resource.custom.published()))
    if components:
        meta = openapi_schemas.META
        components.update(openapi_schemas.closure((f"{meta}.ListMeta", f"{meta}.ObjectMeta")))
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes: definitions of custom kinds; all are in /openapi/v3", "version": "2.0"},
        "paths": {},
        "definitions": {name: _root(components[name]) for name in sorted(components)},
    }


def _root(component: Object) -> Object:
    """A whole definition: one that keeps unknown fields declares none."""
    if component.get(_PRESERVE):
        return {"type": "object", _MARKER: component[_MARKER]}
    return _schema(component)


def _schema(source: Object) -> Object:
    """One schema in the form of version 2."""
    if target := _target(source):
        return {**_texts(source), "$ref": _PREFIX + target}
    left_out = set(_JUNCTORS)
    if source.get("nullable"):
        left_out |= {"type", "nullable", *_INSIDE}
    if source.get(_PRESERVE):
        left_out |= _INSIDE
        if source.get("type") == "object":
            left_out.add("type")
    if source.get("type") == "array" and ("items" in left_out or "items" not in source):
        left_out.add("type")
    found = {key: _inner(key, value) for key, value in source.items() if key not in left_out}
    required = [name for name in found.pop("required", ()) if not _is_nullable(source, name)]
    return {**found, "required": required} if required else found


def _inner(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: _schema(child) for name, child in value.items()}
    return _schema(value) if key in {"items", "additionalProperties"} and isinstance(value, dict) else value


def _is_nullable(source: Object, name: str) -> bool:
    """Whether a field may be null: version 2 cannot express it, and a required field could not be left out."""
    declared = source.get("properties", {}).get(name)
    values = source.get("additionalProperties")
    return any(isinstance(one, dict) and bool(one.get("nullable")) for one in (declared, values))


def _target(source: Object) -> str:
    """The name that a schema refers to; empty where it is none."""
    alone = source.get("allOf", ())
    reference = source.get("$ref") or (alone[0].get("$ref") if len(alone) == 1 else "") or ""
    return str(reference).removeprefix(openapi_schemas.PREFIX) if reference else ""


def _texts(source: Object) -> Object:
    return {key: source[key] for key in ("description", "default") if key in source}
