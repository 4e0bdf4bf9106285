"""The Service through which the proxy of Ingresses is reached, and what Ingresses report of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.controller.shared_hosts import REASON
from podwire.edge.gateway.gateway_proxy import INGRESS
from podwire.edge.ingress.kinds import Ingress, IngressLoadBalancerIngress
from podwire.edge.ingress.listeners import HTTP, HTTPS, NAME, NAMESPACE, PROXY_PORTS
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

PROXY = INGRESS
"""Name of the proxy."""
KEY = NamespacedName(NAMESPACE, NAME)
_PORT_NAMES = {HTTP: "http", HTTPS: "https"}
_LAST = ("UnsupportedAnnotation", "UnknownAnnotation", REASON)
"""Reasons with which all paths may be served; of several, another one is reported first."""


def service() -> dict[str, Any]:
    """Return the Service. Nodes without an Envoy do not announce its address, so Envoys see the clients' own."""
    ports = [
        {"name": _PORT_NAMES[port], "port": port, "protocol": "TCP", "targetPort": envoy_port}
        for port, envoy_port in sorted(PROXY_PORTS.items())
    ]
    spec = {
        "type": "LoadBalancer",
        "ipFamilyPolicy": "PreferDualStack",
        "externalTrafficPolicy": "Local",
        "selector": {PROXY_LABEL: PROXY},
        "ports": ports,
    }
    return {"metadata": {"name": NAME, "labels": {"app.kubernetes.io/managed-by": "podwire"}}, "spec": spec}


def addresses_of(found: Service | None) -> tuple[Mapping[str, Any], ...]:
    """Return the addresses of the Service in the form of an Ingress's status."""
    entries = found.status.load_balancer.ingress if found is not None else ()
    return tuple({"ip": one.ip} if one.ip else {"hostname": one.hostname} for one in entries)


def status(item: Ingress, addresses: Iterable[Mapping[str, Any]], reasons: Collection[str] = ()) -> dict[str, Any]:
    """Return the status to merge; empty where it is so already.

    An Ingress has no conditions: the first of the `reasons` of its events is the error of the ports of each address.
    """
    first = min(reasons, key=lambda one: (one in _LAST, one), default="")
    ports = [{"port": one, "protocol": "TCP", "error": f"podwire.dev/{first}"} for one in (HTTP, HTTPS)]
    desired = [{**one, "ports": ports} if first else dict(one) for one in addresses]
    known = [_entry(one) for one in item.status.load_balancer.ingress]
    return {} if desired == known else {"loadBalancer": {"ingress": desired or None}}


def _entry(one: IngressLoadBalancerIngress) -> dict[str, Any]:
    address = {"ip": one.ip} if one.ip else {"hostname": one.hostname}
    ports = [{"port": port.port, "protocol": port.protocol, "error": port.error} for port in one.ports]
    return {**address, "ports": ports} if ports else address
