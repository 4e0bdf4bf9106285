"""Which process Envoys connect to: the leader is the only endpoint of the xDS server's Service. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podwire.component.leader_slices import LeaderService, leader_slices
from podwire.kube.gateway_api import CONTROLLER_NAME, PROXIES
from podwire.kube.meta import NamespacedName

SERVICE = "podwire-gateway-controller"
"""The Service by which Envoys find the xDS server of the leader."""
XDS_SERVER = f"{SERVICE}.{PROXIES}.svc"
XDS_PORT, PROBE_PORT = 18000, 10247
PORT_NAME = "xds"


def slices(addresses: Iterable[str], port: int) -> dict[str, dict[str, Any]]:
    """Return the EndpointSlices by name, while a pod with these addresses leads."""
    return leader_slices(LeaderService(NamespacedName(PROXIES, SERVICE), PORT_NAME, CONTROLLER_NAME), addresses, port)
