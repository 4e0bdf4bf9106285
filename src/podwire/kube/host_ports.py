"""Ports of a node that its pods occupy. Pure.

Source: kubernetes `pkg/scheduler/framework/types.go` (HostPortInfo), plugin NodePorts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwire.kube.core import Pod

HostPort = tuple[str, str, int]
"""Address, protocol, port."""

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a word of the API, nothing listens here


def host_ports(pod: Pod) -> frozenset[HostPort]:
    """Return the host ports of the pod's containers, with those of sidecars."""
    sidecars = (c for c in pod.spec.init_containers if c.restart_policy == "Always")
    return frozenset(
        (port.host_ip or ANY_ADDRESS, port.protocol or "TCP", port.host_port)
        for container in (*pod.spec.containers, *sidecars)
        for port in container.ports
        if port.host_port
    )


def conflict(desired: Iterable[HostPort], taken: Iterable[HostPort]) -> bool:
    """Return whether two ports are the same on one address; 0.0.0.0 is every address."""
    occupied: dict[tuple[str, int], set[str]] = {}
    for address, protocol, port in taken:
        occupied.setdefault((protocol, port), set()).add(address)
    for address, protocol, port in desired:
        addresses = occupied.get((protocol, port), set())
        if addresses and (address == ANY_ADDRESS or addresses & {address, ANY_ADDRESS}):
            return True
    return False
