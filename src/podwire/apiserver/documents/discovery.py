"""Discovery documents, aggregated (v2) and plain. All are plain values; the caller encodes them.

kubectl decides by the Content-Type of the answer which form it got. Source: kubernetes.io "Kubernetes API discovery";
k8s.io/api `apidiscovery/v2`; k8s.io/apimachinery `meta/v1` APIResourceList.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podwire.apiserver.kinds.resources import Registry, Resource, Subresource

Object = dict[str, Any]

AGGREGATED_CONTENT_TYPE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_AGGREGATED_PARAMETERS = {"g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"}
_STABILITY = {"alpha": 0, "beta": 1, "": 2}


def wants_aggregated(accept: str) -> bool:
    """Whether the first acceptable entry of an Accept header is aggregated discovery v2."""
    for entry in accept.split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        named = set(parameters)
        if kind == "application/json" and named >= _AGGREGATED_PARAMETERS:
            return True
        if kind in {"application/json", "*/*"} and not any(name.startswith("as=") for name in named):
            return False
    return False


def core_versions(server_address: str) -> Object:
    """The plain form of GET /api; `server_address` is host:port as clients reach it."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    }


def groups(registry: Registry) -> Object:
    """The plain form of GET /apis."""
    names = (name for name in _by_group(registry) if name)
    listed = [_group(name, versions) for name in names if (versions := _versions(registry, name))]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def group(registry: Registry, name: str) -> Object | None:
    """GET /apis/<group>; None where the group is not served."""
    versions = _versions(registry, name) if name else []
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def resources(registry: Registry, group_name: str, version: str) -> Object | None:
    """GET /api/v1 and GET /apis/<group>/<version>; None where it is not served."""
    served = _by_group(registry).get(group_name, {}).get(version)
    if served is None:
        return None
    entries: list[Object] = []
    for resource in served:
        entries.append(_entry(resource))
        entries.extend(_part_entry(resource, part) for part in resource.subresources.values())
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": served[0].api_version,
        "resources": sorted(entries, key=lambda entry: str(entry["name"])),
    }


def aggregated_core(registry: Registry) -> Object:
    """The aggregated form of GET /api."""
    return _aggregated(registry, [""])


def aggregated_groups(registry: Registry) -> Object:
    """The aggregated form of GET /apis."""
    return _aggregated(registry, [name for name in _by_group(registry) if name])


def version_priority(version: str) -> tuple[int, int, int, str]:
    """A key that sorts the preferred version last: v2 after v1, v1 after v1beta2 after v1alpha1, other names first."""
    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if found is None:
        return (-1, 0, 0, version)
    return (_STABILITY[found[2] or ""], int(found[1]), int(found[3] or 0), "")


def _by_group(registry: Registry) -> dict[str, dict[str, list[Resource]]]:
    found: dict[str, dict[str, list[Resource]]] = {}
    for resource in registry.all():
        found.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
    return found


def _versions(registry: Registry, group_name: str) -> list[str]:
    return sorted(_by_group(registry).get(group_name, {}), key=version_priority, reverse=True)


def _group(name: str, versions: list[str]) -> Object:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _entry(resource: Resource) -> Object:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    return entry | _names(resource)


def _names(resource: Resource) -> Object:
    names = {"shortNames": resource.short_names, "categories": resource.categories}
    return {key: list(value) for key, value in names.items() if value}


def _part_entry(resource: Resource, part: Subresource) -> Object:
    entry: Object = {
        "name": f"{resource.plural}/{part.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": part.kind,
        "verbs": list(part.verbs),
    }
    if part.api_version != resource.api_version:
        entry |= {"group": part.group, "version": part.version}
    return entry


def _aggregated(registry: Registry, names: list[str]) -> Object:
    by_group = _by_group(registry)
    items = [
        {
            "metadata": {"name": name},
            "versions": [
                _aggregated_version(version, by_group[name][version]) for version in _versions(registry, name)
            ],
        }
        for name in names
        if name in by_group
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_version(version: str, served: list[Resource]) -> Object:
    listed = sorted(served, key=lambda resource: resource.plural)
    return {"version": version, "resources": [_aggregated_resource(entry) for entry in listed], "freshness": "Current"}


def _aggregated_resource(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _kind(resource),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    } | _names(resource)
    if resource.subresources:
        entry["subresources"] = [
            {"subresource": part.name, "responseKind": _kind(part), "verbs": list(part.verbs)}
            for part in resource.subresources.values()
        ]
    return entry


def _kind(served: Resource | Subresource) -> Object:
    return {"group": served.group, "version": served.version, "kind": served.kind}
