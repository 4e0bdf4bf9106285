"""Where in the world a connection goes: the addresses to try, best first."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterable

import aiohttp
import msgspec

from podwire.kube.addresses import parsed
from podwire.kube.client import ApiError, Client
from podwire.kube.core import Node
from podwire.kube.discovery import SERVICE_NAME_LABEL
from podwire.kube.kinds import ENDPOINT_SLICES
from podwire.kube.meta import NamespacedName
from podwire.lab.relay.forwards import Forward, serving_nodes
from podwire.lab.relay.sockets import OUTSIDE

log = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
"""How long the nodes of a Service's endpoints are believed."""

VERSIONS = {"IPv4": 4, "IPv6": 6}


class Target(msgspec.Struct, frozen=True):
    """An address and a port, and the host of the world that connects to it: `outside`, or a node."""

    host: str
    address: str
    port: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.address).version


def targets_of(forward: Forward, nodes: Iterable[Node], serving: frozenset[str] | None) -> list[Target]:
    """Return what to try in turn. `serving` are the nodes with an endpoint, where only those answer.

    A cluster address is reached from a node, all else from the outside host.
    """
    if forward.kind == "LoadBalancer":
        return [Target(OUTSIDE, forward.address, forward.port)]
    ready = sorted((node for node in nodes if node.ready), key=lambda node: node.metadata.name)
    if forward.kind == "ClusterIP":
        return [Target(node.metadata.name, forward.address, forward.port) for node in ready]
    if serving is not None:
        ready = [node for node in ready if node.metadata.name in serving]
    versions = {VERSIONS[family] for family in forward.families}
    return [
        Target(OUTSIDE, address, forward.port)
        for node in ready
        for address in node.internal_addresses
        if (found := parsed(address)) is not None and found.version in versions
    ]


class ServingNodes:
    """The nodes with a ready endpoint of a Service, read when a connection needs them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._found: dict[NamespacedName, tuple[float, frozenset[str]]] = {}
        self._reading: dict[NamespacedName, asyncio.Task[None]] = {}

    async def of(self, service: NamespacedName) -> frozenset[str] | None:
        """Return their names; those of last time where the API server does not answer, None if there was none."""
        now = asyncio.get_running_loop().time()
        if service not in self._found or now - self._found[service][0] > FRESH_SECONDS:
            if service not in self._reading:  # one request serves all connections that wait
                task = self._reading[service] = asyncio.create_task(self._read(service))
                task.add_done_callback(lambda _: self._reading.pop(service, None))
            await asyncio.shield(self._reading[service])
        return self._found[service][1] if service in self._found else None

    async def _read(self, service: NamespacedName) -> None:
        selector = f"{SERVICE_NAME_LABEL}={service.name}"
        try:
            slices = (await self._client.list(ENDPOINT_SLICES, service.namespace, labelSelector=selector)).items
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("endpoints of Service %s: %s; the last known ones are used", service, error)
        else:
            self._found[service] = asyncio.get_running_loop().time(), serving_nodes(service, slices)

    def remove(self, service: NamespacedName) -> None:
        """Drop what is known of a Service that does not exist any more."""
        self._found.pop(service, None)
