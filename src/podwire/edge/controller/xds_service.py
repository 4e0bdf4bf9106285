"""Which process Envoys connect to: the leader is the only endpoint of the xDS server's Service.

The Service has no selector. Readiness of pods does not decide: both pods of a Deployment must be ready, or its rollout
and its PodDisruptionBudget would wait without end for the one that does not lead. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podwire.kube.discovery import SERVICE_NAME_LABEL
from podwire.kube.gateway_api import CONTROLLER_NAME, PROXIES

SERVICE = "podwire-gateway-controller"
"""The Service by which Envoys find the xDS server of the leader."""
XDS_SERVER = f"{SERVICE}.{PROXIES}.svc"
XDS_PORT, PROBE_PORT = 18000, 10247
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
PORT_NAME = "xds"


def slices(addresses: Iterable[str], port: int) -> dict[str, dict[str, Any]]:
    """Return the EndpointSlices by name: one of each family, without endpoints where this pod has no address of it."""
    found: dict[str, list[str]] = {"IPv4": [], "IPv6": []}
    for address in addresses:
        found["IPv6" if ":" in address else "IPv4"].append(address)
    labels = {SERVICE_NAME_LABEL: SERVICE, MANAGED_BY_LABEL: CONTROLLER_NAME.replace("/", ".")}
    return {
        f"{SERVICE}-{family.lower()}": {
            "metadata": {"name": f"{SERVICE}-{family.lower()}", "namespace": PROXIES, "labels": labels},
            "addressType": family,
            "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in own],
            "ports": [{"name": PORT_NAME, "protocol": "TCP", "port": port}],
        }
        for family, own in found.items()
    }
