"""Warnings of a Gateway or a ListenerSet: its class, its parent, its certificates and authorities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.writes.gateway_warnings import grants
from podwire.apiserver.writes.gateway_warnings.authorities import of_authority
from podwire.apiserver.writes.gateway_warnings.existing import Reference, reference
from podwire.kube import gateway_api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.writes.gateway_warnings.existing import Existing

Object = dict[str, Any]

TLS_SECRET = "kubernetes.io/tls"  # noqa: S105  (a type)
_SECURE = frozenset({"HTTPS", "TLS"})


def of_gateway(obj: Field, existing: Existing) -> Iterator[str]:
    """The warnings of a Gateway."""
    chosen = obj["spec"]["gatewayClassName"]
    if existing.find(Reference(gateway_api.GROUP, "GatewayClass", "", chosen.text)) is None:
        known = sorted(one["metadata"]["name"] for one in existing.all(gateway_api.GROUP, "GatewayClass"))
        there = f"use one of: {', '.join(known)}" if known else "create one"
        yield f'{chosen.path}: GatewayClass "{chosen.text}" does not exist: {there}'
    yield from _parameters(obj, existing)
    yield from _listeners(obj, existing)
    backend = obj["spec"]["tls"]["backend"]["clientCertificateRef"]
    if backend.given:
        yield from _certificate(obj, backend, existing)
    frontend = obj["spec"]["tls"]["frontend"]
    yield from _validation(obj, frontend["default"]["validation"], existing)
    for port in frontend["perPort"]:
        yield from _validation(obj, port["tls"]["validation"], existing)


def of_listener_set(obj: Field, existing: Existing) -> Iterator[str]:
    """The warnings of a ListenerSet."""
    parent = obj["spec"]["parentRef"]
    desired = reference(parent, gateway_api.GROUP, "Gateway", obj["metadata"]["namespace"].text)
    if desired.known and (gateway := existing.find(desired)) is None:
        yield f"{parent.path}: {desired} does not exist: create it, or correct name and namespace"
    elif desired.known and gateway is not None and _lets_in_none(gateway):
        yield f"{parent.path}: {desired} lets in no ListenerSet: set its spec.allowedListeners.namespaces.from"
    yield from _listeners(obj, existing)


def _parameters(obj: Field, existing: Existing) -> Iterator[str]:
    """The ConfigMap with the parameters of a proxy of its own."""
    field = obj["spec"]["infrastructure"]["parametersRef"]
    desired = reference(field, "", "", obj["metadata"]["namespace"].text)
    if field.given and (desired.group, desired.kind) != ("", "ConfigMap"):
        yield f"{field.path}: parameters are in a ConfigMap, not a {desired.kind}: name a ConfigMap"
    elif field.given and existing.find(desired) is None:
        yield f"{field.path}: {desired} does not exist, and the Gateway is not served without it: create it"


def _validation(obj: Field, field: Field, existing: Existing) -> Iterator[str]:
    """How clients' certificates are verified."""
    for authority in field["caCertificateRefs"]:
        yield from of_authority(obj, authority, existing)
    if field["mode"].text == "AllowInsecureFallback":
        yield f"{field['mode'].path}: clients without a valid certificate are served too: use AllowValidOnly"


def _lets_in_none(gateway: Object) -> bool:
    allowed = gateway.get("spec", {}).get("allowedListeners", {}).get("namespaces", {})
    return bool(allowed.get("from", "None") == "None")


def _listeners(obj: Field, existing: Existing) -> Iterator[str]:
    for listener in obj["spec"]["listeners"]:
        if listener["protocol"].text in _SECURE and listener["tls"]["mode"].text != "Passthrough":
            for certificate in listener["tls"]["certificateRefs"]:
                yield from _certificate(obj, certificate, existing)


def _certificate(obj: Field, field: Field, existing: Existing) -> Iterator[str]:
    desired = reference(field, "", "Secret", obj["metadata"]["namespace"].text)
    if (desired.group, desired.kind) != ("", "Secret"):
        yield f"{field.path}: a certificate is a Secret, not a {desired.kind}: name a Secret of type {TLS_SECRET}"
        return
    yield from grants.missing(field, obj.value, desired, existing)
    secret = existing.find(desired)
    if secret is None:
        yield f"{field.path}: {desired} does not exist: create it with type {TLS_SECRET}"
    elif secret.get("type") != TLS_SECRET:
        found = secret.get("type", "Opaque")
        yield f"{field.path}: {desired} is of type {found}: create it again with type {TLS_SECRET}"
