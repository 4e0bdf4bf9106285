"""The health check node ports as a load balancer sees them, with curl; and a port that another program has."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest

from podwire.agent import health_check_ports
from podwire.agent.health_check_ports import HealthCheckPorts, Place
from podwire.kernel import links
from podwire.kernel.netlink import Netlink, NetlinkError
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from podwire.services.node_view import PRIMARY
from tests.announcement.objects import FakeFeed, balanced, endpoint, node, slice_of
from tests.sandbox import sandboxed

ADDRESSES = ("172.18.0.2", "fd00:172:18::2")
WAIT_SECONDS = 60.0


class Proxy:
    """The health that the agent reports."""

    healthy = True


class Checked:
    """A node's ports, the objects that they follow, and the warnings."""

    def __init__(self) -> None:
        self.services: FakeFeed[Service] = FakeFeed()
        self.slices: FakeFeed[EndpointSlice] = FakeFeed()
        self.nodes: FakeFeed[Node] = FakeFeed(node("node-1", *ADDRESSES))
        self.proxy = Proxy()
        self.warnings: list[tuple[str, str, str]] = []
        for address in ADDRESSES:
            subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        ports = HealthCheckPorts(Place("node-1", (PRIMARY,)), self.services, self.slices, self.nodes, self.proxy)
        task = asyncio.create_task(ports.run(self._warn))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _warn(self, service: Service, reason: str, message: str) -> None:
        self.warnings.append((service.metadata.name, reason, message))

    async def until(self, port: int, status: int, address: str = ADDRESSES[0]) -> str:
        """The response, head and body, when it has this status; 0 is a port that nobody listens on."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                found, text = await curl(f"http://{address}:{port}/healthz")
                if found == status:
                    return text


async def curl(url: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        "curl", "-sig", "--max-time", "30", url, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    text = output.decode()
    return (int(text.split()[1]), text) if text else (0, "")


@sandboxed
async def test_a_port_answers_for_this_nodes_ready_endpoints_while_its_service_has_it() -> None:
    it = Checked()
    it.services.put(balanced("web", local=True, health_check_node_port=30100, cluster_ips=("10.96.0.7", "fd00::7")))
    it.slices.put(slice_of("web", endpoint("10.244.1.2", "node-1"), endpoint("10.244.2.2", "node-2")))
    async with it.served():
        text = await it.until(30100, 200)
        assert "X-Load-Balancing-Endpoint-Weight: 1" in text
        assert '"localEndpoints": 1' in text
        await it.until(30100, 503, f"[{ADDRESSES[1]}]")  # no endpoint has an IPv6 address
        assert (await curl("http://127.0.0.1:30100/"))[0] == 0
        it.slices.put(slice_of("web", endpoint("10.244.1.2", "node-1", ready=False, serving=True, ending=True)))
        await it.until(30100, 503)
        it.slices.put(slice_of("web", endpoint("10.244.1.2", "node-1"), endpoint("10.244.1.3", "node-1")))
        assert "X-Load-Balancing-Endpoint-Weight: 2" in await it.until(30100, 200)
        it.proxy.healthy = False
        assert '"serviceProxyHealthy": false' in await it.until(30100, 503)
        it.services.put(balanced("web", local=True, health_check_node_port=30101, cluster_ips=("10.96.0.7",)))
        await it.until(30101, 503)
        await it.until(30100, 0)
        it.proxy.healthy = True
        await it.until(30101, 200)
        await it.until(30101, 200, f"[{ADDRESSES[1]}]")  # the endpoints of a Service of one family count everywhere
        it.services.put(balanced("web", cluster_ips=("10.96.0.7",)))
        await it.until(30101, 0)
        assert not it.warnings


@sandboxed
async def test_addresses_that_cannot_be_read_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    health_check_ports.RETRY_SECONDS = 0.1  # the sandbox is a process of its own
    read, failures = links.addresses, [NetlinkError(errno.EINTR, "the list changed while it was read")]

    def addresses(netlink: Netlink) -> Iterator[links.LinkAddress]:
        if failures:
            raise failures.pop()
        return read(netlink)

    monkeypatch.setattr(links, "addresses", addresses)
    it = Checked()
    it.services.put(balanced("web", local=True, health_check_node_port=30100, cluster_ips=("10.96.0.7",)))
    async with it.served():
        await it.until(30100, 503)
    assert not failures


@sandboxed
async def test_a_taken_port_is_an_event_and_is_tried_again() -> None:
    health_check_ports.RETRY_SECONDS = 0.1  # the sandbox is a process of its own
    it = Checked()
    it.slices.put(slice_of("web", endpoint("10.244.1.2", "node-1")))
    async with it.served():
        with socket.create_server((ADDRESSES[0], 30100)):
            it.services.put(balanced("web", local=True, health_check_node_port=30100, cluster_ips=("10.96.0.7",)))
            it.services.put(balanced("db", local=True, health_check_node_port=30101, cluster_ips=("10.96.0.8",)))
            await it.until(30101, 503)
        name, reason, message = it.warnings[0]
        assert (name, reason) == ("web", "FailedToStartServiceHealthcheck")
        assert message.startswith("node node-1 failed to start healthcheck default/web on port 30100: ")
        assert "Address already in use" in message
        await it.until(30100, 200)
        it.services.remove(balanced("web"))
        it.services.put(balanced("db", local=True, health_check_node_port=30100, cluster_ips=("10.96.0.8",)))
        assert '"name": "db"' in await it.until(30100, 503)
