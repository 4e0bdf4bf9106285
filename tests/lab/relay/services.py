"""Services as the API has them, for tests."""

from __future__ import annotations

import ipaddress
from typing import Any

import msgspec

from podwire.kube.services import Service

INTERNAL = (ipaddress.ip_network("172.18.253.0/24"), ipaddress.ip_network("fd00:172:18::fd:0/112"))


def service(name: str, *ports: dict[str, Any], addresses: tuple[str, ...] = (), **spec: Any) -> Service:
    """A Service of namespace shop; `addresses` are those of its load balancer."""
    ingress = [{"ip": address} for address in addresses]
    found = {
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.7", **spec, "ports": list(ports)},
        "status": {"loadBalancer": {"ingress": ingress}},
    }
    return msgspec.convert(found, Service)


HTTP = {"name": "http", "port": 80, "nodePort": 30080}
DNS = {"name": "dns", "port": 53, "protocol": "UDP"}
