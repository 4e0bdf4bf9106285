"""How nodes find the signer that leads: a Service without a selector, whose endpoint is the leader. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podwire.component.leader_slices import LeaderService, leader_slices
from podwire.kube.gateway_api import MESH_CONTROLLER_NAME, PROXIES
from podwire.kube.meta import NamespacedName
from podwire.mesh.identity.exchange import PORT

SERVICE = "podwire-mesh-controller"
PROBE_PORT = 10248
SERVER_NAME = f"{SERVICE}.{PROXIES}.svc"
"""DNS name in the signer's certificate, and of its Service."""
PORT_NAME = "signer"


def slices(addresses: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the EndpointSlices by name, while a pod with these addresses leads."""
    service = LeaderService(NamespacedName(PROXIES, SERVICE), PORT_NAME, MESH_CONTROLLER_NAME)
    return leader_slices(service, addresses, PORT)
