"""Warnings of a route's parents: one that does not exist, or none of whose listeners takes the route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.writes.gateway_warnings.existing import Reference, reference
from podwire.apiserver.writes.gateway_warnings.hostnames import intersect
from podwire.kube import gateway_api
from podwire.kube.meta import LabelSelector
from podwire.kube.selectors import matches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.writes.gateway_warnings.existing import Existing

Object = dict[str, Any]

_PROTOCOLS = {
    "HTTPRoute": ("HTTP", "HTTPS"),
    "GRPCRoute": ("HTTP", "HTTPS"),
    "TLSRoute": ("TLS",),
    "TCPRoute": ("TCP",),
    "UDPRoute": ("UDP",),
}
"""By kind of route: the protocols of listeners that it can attach to."""


def of_route(obj: Field, existing: Existing) -> Iterator[str]:
    """The warnings of each parent of a route; the first reason why no listener takes it."""
    for parent in obj["spec"]["parentRefs"]:
        desired = reference(parent, gateway_api.GROUP, "Gateway", obj["metadata"]["namespace"].text)
        if desired.kind not in {"Gateway", "ListenerSet"}:
            continue
        found = existing.find(desired)
        if found is None:
            yield f"{parent.path}: {desired} does not exist: create it, or correct name and namespace"
        else:
            yield from _attachment(obj, parent, desired, found.get("spec", {}).get("listeners", []), existing)


def _attachment(
    obj: Field, parent: Field, desired: Reference, listeners: list[Object], existing: Existing
) -> Iterator[str]:
    kind, namespace, names = (
        obj["kind"].text,
        obj["metadata"]["namespace"].text,
        ", ".join(str(one["name"]) for one in listeners),
    )
    section, port = parent["sectionName"].text, parent["port"].number
    if section and not any(one["name"] == section for one in listeners):
        yield f"{parent['sectionName'].path}: {desired} has no listener {section}: it has {names}"
        return
    named = [one for one in listeners if section in {"", one["name"]}]
    chosen = [one for one in named if port in {0, one.get("port")}]
    if not chosen:
        yield f"{parent['port'].path}: no listener of {desired} named here has port {port}: correct or remove it"
        return
    fitting = [one for one in chosen if _takes_kind(one, kind)]
    if not fitting:
        protocols = " or ".join(_PROTOCOLS[kind])
        needs = f"it needs protocol {protocols}, and the kind in allowedRoutes.kinds where that is set"
        yield f"{parent.path}: no listener of {desired} takes a {kind}: {needs}"
        return
    admitting = [one for one in fitting if _admits(one, namespace, desired, existing)]
    if not admitting:
        yield (
            f"{parent.path}: no listener of {desired} takes routes of namespace {namespace}: set "
            "its allowedRoutes.namespaces, or the label that it selects"
        )
        return
    yield from _hostnames(obj, parent, desired, admitting)


def _hostnames(obj: Field, parent: Field, desired: Reference, listeners: list[Object]) -> Iterator[str]:
    names = obj["spec"]["hostnames"].value or []
    served = [str(one.get("hostname", "")) for one in listeners]
    if names and not any(intersect(name, other) for name in names for other in served):
        yield (
            f"{obj['spec']['hostnames'].path}: none of them is a name of {desired} ({parent.path}), which has "
            f"{', '.join(dict.fromkeys(served))}: correct one of both"
        )


def _takes_kind(listener: Object, kind: str) -> bool:
    allowed = listener.get("allowedRoutes", {}).get("kinds")
    known = not allowed or any(
        (one.get("group", gateway_api.GROUP), one.get("kind")) == (gateway_api.GROUP, kind) for one in allowed
    )
    return known and listener.get("protocol") in _PROTOCOLS[kind]


def _admits(listener: Object, namespace: str, parent: Reference, existing: Existing) -> bool:
    """Whether a listener takes routes of a namespace."""
    allowed = listener.get("allowedRoutes", {}).get("namespaces", {})
    match allowed.get("from", "Same"):
        case "All":
            return True
        case "Same":
            return namespace == parent.namespace
        case "Selector":
            found = existing.find(Reference("", "Namespace", "", namespace)) or {}
            labels = found.get("metadata", {}).get("labels") or {}
            return matches(msgspec.convert(allowed.get("selector", {}), LabelSelector), labels)
        case _:
            return False
