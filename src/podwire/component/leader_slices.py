"""EndpointSlices of a Service without a selector whose only endpoint is the pod that leads. Pure.

Readiness of pods does not decide: all pods of a Deployment must be ready, or its rollout and its PodDisruptionBudget
would wait without end for those that do not lead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from podwire.kube.discovery import SERVICE_NAME_LABEL
from podwire.kube.meta import NamespacedName

MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"


class LeaderService(msgspec.Struct, frozen=True):
    """A Service, the name of its port, and the controller that manages its slices."""

    key: NamespacedName
    port_name: str
    controller: str


def leader_slices(service: LeaderService, addresses: Iterable[str], port: int) -> dict[str, dict[str, Any]]:
    """Return the EndpointSlices by name: one of each family, without endpoints where this pod has no address of it."""
    found: dict[str, list[str]] = {"IPv4": [], "IPv6": []}
    for address in addresses:
        found["IPv6" if ":" in address else "IPv4"].append(address)
    namespace, name = service.key.namespace, service.key.name
    labels = {SERVICE_NAME_LABEL: name, MANAGED_BY_LABEL: service.controller.replace("/", ".")}
    return {
        f"{name}-{family.lower()}": {
            "metadata": {"name": f"{name}-{family.lower()}", "namespace": namespace, "labels": labels},
            "addressType": family,
            "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in own],
            "ports": [{"name": service.port_name, "protocol": "TCP", "port": port}],
        }
        for family, own in found.items()
    }
