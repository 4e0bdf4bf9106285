"""How nodes find the signer that leads: a Service without a selector, whose endpoint is the leader. Pure.

As for xDS of Gateways: readiness of pods does not decide, as all replicas must be ready.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podwire.edge.controller.xds_service import MANAGED_BY_LABEL
from podwire.kube.discovery import SERVICE_NAME_LABEL
from podwire.kube.gateway_api import MESH_CONTROLLER_NAME, PROXIES
from podwire.mesh.identity.exchange import PORT

SERVICE = "podwire-mesh-controller"
PROBE_PORT = 10248
SERVER_NAME = f"{SERVICE}.{PROXIES}.svc"
"""DNS name in the signer's certificate, and of its Service."""
PORT_NAME = "signer"


def slices(addresses: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the EndpointSlices by name: one of each family, without endpoints where this pod has no address of it."""
    found: dict[str, list[str]] = {"IPv4": [], "IPv6": []}
    for address in addresses:
        found["IPv6" if ":" in address else "IPv4"].append(address)
    labels = {SERVICE_NAME_LABEL: SERVICE, MANAGED_BY_LABEL: MESH_CONTROLLER_NAME.replace("/", ".")}
    return {
        f"{SERVICE}-{family.lower()}": {
            "metadata": {"name": f"{SERVICE}-{family.lower()}", "namespace": PROXIES, "labels": labels},
            "addressType": family,
            "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in own],
            "ports": [{"name": PORT_NAME, "protocol": "TCP", "port": PORT}],
        }
        for family, own in found.items()
    }
