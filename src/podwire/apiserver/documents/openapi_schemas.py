"""The part `components.schemas` of an OpenAPI v3 document: schemas with their texts, closed over references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.kinds import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from podwire.apiserver.kinds.resources import Resource

Object = dict[str, Any]

META = "io.k8s.apimachinery.pkg.apis.meta.v1"
PREFIX = "#/components/schemas/"


def reference(name: str) -> Object:
    """A reference to a component."""
    return {"$ref": PREFIX + name}


def component_name(resource: Resource) -> str:
    """The component of a kind: the published definition, or a name after upstream's rule for kinds of a user."""
    if resource.custom is None:
        return schema.definition_name(resource.api_version, resource.kind)
    return ".".join((*reversed(resource.group.split(".")), resource.version, resource.kind))


def list_name(resource: Resource) -> str:
    """The component of the list of a kind."""
    return f"{component_name(resource)}List"


def closure(roots: Iterable[str]) -> dict[str, Object]:
    """The published definitions of these names and of all that they refer to, as OpenAPI v3, by name."""
    published: dict[str, dict[str, Object]] = {}
    texts: dict[str, dict[str, dict[str, str]]] = {}
    found: dict[str, Object] = {}
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name in found:
            continue
        package = name.rpartition(".")[0]
        if package not in published:
            published[package], texts[package] = schema.published(package), schema.descriptions(package)
        definition = published[package][name]
        pending.extend(_references(definition))
        found[name] = _component(definition, texts[package].get(name, {}))
    return dict(sorted(found.items()))


def of_user(resource: Resource, published: Object) -> dict[str, Object]:
    """The components of a kind of a user, whose schema this is: itself and its list."""
    name = component_name(resource)
    kind = [{"group": resource.group, "version": resource.version, "kind": resource.kind}]
    items = {"type": "array", "items": reference(name)}
    metadata = {"allOf": [reference(f"{META}.ListMeta")]}
    text = {"type": "string"}
    return {
        name: {**published, "x-kubernetes-group-version-kind": kind},
        f"{name}List": {
            "type": "object",
            "required": ["items"],
            "properties": {"apiVersion": text, "kind": text, "metadata": metadata, "items": items},
            "x-kubernetes-group-version-kind": [{**kind[0], "kind": resource.list_kind}],
        },
    }


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        target = value.get("$ref")
        if isinstance(target, str):
            yield target
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def _component(definition: Object, texts: dict[str, str]) -> Object:
    result = _schema(definition, texts.get("", ""))
    properties = result.get("properties", {})
    for name, text in texts.items():
        if name in properties:
            properties[name] = _schema(definition["properties"][name], text)
    return result


def _schema(source: Object, text: str = "") -> Object:
    """One schema in OpenAPI v3's form: a reference that has anything beside it goes into `allOf`."""
    result: Object = {"description": text} if text else {}
    for key, value in source.items():
        if key == "properties":
            result[key] = {name: _schema(child) for name, child in value.items()}
        elif key in {"items", "additionalProperties"}:
            result[key] = _schema(value)
        elif key != "$ref":
            result[key] = value
    if "$ref" in source:
        target = reference(source["$ref"])
        return {**result, "allOf": [target]} if result else target
    return result
