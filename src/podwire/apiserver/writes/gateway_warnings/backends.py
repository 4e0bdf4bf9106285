"""Warnings of references to Services and certificates of backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.writes.gateway_warnings import grants
from podwire.apiserver.writes.gateway_warnings.authorities import of_authority
from podwire.apiserver.writes.gateway_warnings.existing import reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.writes.gateway_warnings.existing import Existing

Object = dict[str, Any]

_PROTOCOLS = {"UDPRoute": "UDP"}
"""By kind of route: the protocol of its backends, where it is not TCP."""


def of_route(obj: Field, existing: Existing) -> Iterator[str]:
    """The warnings of a route's backends, those of its mirrors included."""
    for rule in obj["spec"]["rules"]:
        yield from _mirrors(obj, rule["filters"], existing)
        for backend in rule["backendRefs"]:
            yield from _backend(obj, backend, existing)
            yield from _mirrors(obj, backend["filters"], existing)


def of_policy(obj: Field, existing: Existing) -> Iterator[str]:
    """The warnings of a BackendTLSPolicy: the Services that it is for, its authority's certificates."""
    namespace = obj["metadata"]["namespace"].text
    for target in obj["spec"]["targetRefs"]:
        desired = reference(target, "", "Service", namespace)
        if desired.known and existing.find(desired) is None:
            yield f"{target.path}: {desired} does not exist: create it, or correct the name"
    for authority in obj["spec"]["validation"]["caCertificateRefs"]:
        yield from of_authority(obj, authority, existing)


def _mirrors(obj: Field, filters: Field, existing: Existing) -> Iterator[str]:
    for one in filters:
        if one["requestMirror"].given:
            yield from _backend(obj, one["requestMirror"]["backendRef"], existing)


def _backend(obj: Field, field: Field, existing: Existing) -> Iterator[str]:
    desired = reference(field, "", "Service", obj["metadata"]["namespace"].text)
    if (desired.group, desired.kind) != ("", "Service"):
        yield f"{field.path}: a backend is a Service, and {desired} gets no traffic: name a Service"
        return
    yield from grants.missing(field, obj.value, desired, existing)
    service = existing.find(desired)
    if service is None:
        yield f"{field.path}: {desired} does not exist: create it, or correct name and namespace"
        return
    if service.get("spec", {}).get("type") == "ExternalName":
        yield f"{field.path}: {desired} is of type ExternalName and gets no traffic: name one with a selector"
        return
    protocol = _PROTOCOLS.get(obj["kind"].text, "TCP")
    ports = [one["port"] for one in service.get("spec", {}).get("ports", ()) if one.get("protocol", "TCP") == protocol]
    if field["port"].number not in ports:
        there = f"it has {', '.join(map(str, ports))}" if ports else "it has none"
        yield f"{field['port'].path}: {desired} has no {protocol} port {field['port'].number}: {there}"
