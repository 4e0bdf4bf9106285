"""The part `paths` of an OpenAPI v3 document: the operations of each resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.documents.openapi_schemas import META, component_name, list_name, reference
from podwire.apiserver.kinds import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.kinds.resources import Resource, Subresource

Object = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_STREAMS = {"attach", "exec", "log", "portforward", "proxy"}
_METHODS = {"get": "get", "create": "post", "update": "put", "patch": "patch", "delete": "delete"}


class _Target(msgspec.Struct, frozen=True):
    """What a path serves: the object's kind and the component of its body (empty for streams)."""

    group: str
    version: str
    kind: str
    body: str
    patches: tuple[str, ...] = ()

    @property
    def kind_marker(self) -> Object:
        return {"group": self.group, "version": self.version, "kind": self.kind}


def paths(resource: Resource, *, server_side_apply: bool) -> Iterator[tuple[str, Object]]:
    """Every path of a resource and its operations."""
    patches = (JSON_PATCH, MERGE_PATCH, *((STRATEGIC_MERGE_PATCH,) if resource.patch_strategic else ()))
    patches += (APPLY_PATCH,) if server_side_apply else ()
    target = _Target(resource.group, resource.version, resource.kind, component_name(resource), patches)
    collection = f"/{resource.group_version}/{resource.plural}"
    if resource.namespaced:
        if "list" in resource.verbs:
            yield collection, {"get": _list(resource, target)}
        collection = f"/{resource.group_version}/namespaces/{{namespace}}/{resource.plural}"
    place = [_path_parameter("namespace", "object name and auth scope")] if resource.namespaced else []
    yield collection, {"parameters": place, **_collection(resource, target)}
    item = [_path_parameter("name", f"name of the {resource.kind}"), *place]
    verbs = tuple(verb for verb in ("get", "update", "patch", "delete") if verb in resource.verbs)
    if verbs:
        yield f"{collection}/{{name}}", {"parameters": item, **_operations(target, verbs)}
    for part in resource.subresources.values():
        yield f"{collection}/{{name}}/{part.name}", {"parameters": item, **_subresource(resource, part, patches)}


def definitions(resource: Resource) -> Iterator[str]:
    """The published definitions that a resource's paths name."""
    if resource.custom is None:
        yield component_name(resource)
        if "list" in resource.verbs:
            yield list_name(resource)
    for part in resource.subresources.values():
        if part.name not in _STREAMS and not _is_own(resource, part):
            yield schema.definition_name(part.api_version, part.kind)
    yield from (f"{META}.{name}" for name in ("DeleteOptions", "ListMeta", "ObjectMeta", "Patch", "Status"))


def _collection(resource: Resource, target: _Target) -> Object:
    operations = {"get": _list(resource, target)} if "list" in resource.verbs else {}
    operations["post"] = _operation("create", target)
    if "deletecollection" in resource.verbs:
        operations["delete"] = {
            **_list(resource, target, answer=f"{META}.Status"),
            "x-kubernetes-action": "deletecollection",
        }
    return operations


def _list(resource: Resource, target: _Target, answer: str = "") -> Object:
    return {
        "parameters": [_query(name, kind) for name, kind in _LIST_PARAMETERS],
        "responses": _responses(answer or list_name(resource), "200"),
        "x-kubernetes-action": "list",
        "x-kubernetes-group-version-kind": target.kind_marker,
    }


def _is_own(resource: Resource, part: Subresource) -> bool:
    """Whether a subresource of a kind of a user is of that kind itself, as its status is."""
    return resource.custom is not None and part.kind == resource.kind


def _subresource(resource: Resource, part: Subresource, patches: tuple[str, ...]) -> Object:
    if _is_own(resource, part):
        body = component_name(resource)
    else:
        body = "" if part.name in _STREAMS else schema.definition_name(part.api_version, part.kind)
    return _operations(_Target(part.group, part.version, part.kind, body, patches), part.verbs)


def _operations(target: _Target, verbs: tuple[str, ...]) -> Object:
    return {_METHODS[verb]: _operation(verb, target) for verb in verbs}


def _operation(verb: str, target: _Target) -> Object:
    operation: Object = {
        "responses": _responses(target.body, "201" if verb == "create" else "200"),
        "x-kubernetes-action": {"create": "post", "update": "put"}.get(verb, verb),
        "x-kubernetes-group-version-kind": target.kind_marker,
    }
    if target.body and verb in _WRITE_PARAMETERS:
        operation["parameters"] = [_query(name, kind) for name, kind in _WRITE_PARAMETERS[verb]]
        operation["requestBody"] = _request(verb, target)
    return operation


def _request(verb: str, target: _Target) -> Object:
    if verb == "patch":
        return {"required": True, "content": {kind: _content(f"{META}.Patch") for kind in target.patches}}
    if verb == "delete":
        return {"content": {"application/json": _content(f"{META}.DeleteOptions")}}
    return {"required": True, "content": {"application/json": _content(target.body)}}


def _responses(body: str, code: str) -> Object:
    content = {"application/json": _content(body)} if body else {"*/*": {"schema": {"type": "string"}}}
    return {code: {"description": "OK" if code == "200" else "Created", "content": content}}


def _content(name: str) -> Object:
    return {"schema": reference(name)}


def _path_parameter(name: str, text: str) -> Object:
    return {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}


def _query(name: str, kind: str) -> Object:
    return {"name": name, "in": "query", "schema": {"type": kind}}


_LIST_PARAMETERS = (
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
)
_CHANGE = (("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"))
_WRITE_PARAMETERS = {
    "create": _CHANGE,
    "update": _CHANGE,
    "patch": (*_CHANGE, ("force", "boolean")),
    "delete": (("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")),
}
