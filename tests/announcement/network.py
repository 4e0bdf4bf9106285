"""Nodes and a client on one link, for real packets: each node announces, and answers connections with its name."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from typing import Any

from podwire.agent.announcing import Announcing
from podwire.announcement.announcer import Announcements, Feeds
from podwire.announcement.beacon import Beacon
from podwire.announcement.model import Link
from podwire.announcement.sink import ProxySink
from podwire.announcement.uplinks import uplinks
from podwire.kernel.link_events import LinkEvents
from podwire.kernel.namespaces import inside_network
from podwire.kube.addresses import IPAddress
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from tests.announcement import objects
from tests.announcement.objects import FakeFeed
from tests.sandbox import Host

PORT = 80
RANGES = (ipaddress.ip_network("172.18.254.0/24"), ipaddress.ip_network("fd00:172:18::fe:0/112"))
ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 0.4

RULES = """table inet t {
    chain c {
        type nat hook prerouting priority -100
        tcp dport 80 redirect
    }
    chain o { type filter hook forward priority 0; policy drop; }
}
"""


class Machine(Host):
    """A host on the link with the address of its number; it forwards as a node does."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name)
        self.addresses = f"172.18.0.{number}", f"fd00:172:18::{number}"

    def cable(self, switch: Host) -> None:
        self.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", self.name, "netns", str(switch.path))
        switch.run("ip", "link", "set", self.name, "master", "br0", "up")
        ipv4, ipv6 = self.addresses
        self.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self.run("ip", "link", "set", "eth0", "up")
        self.add_addresses("eth0", f"{ipv4}/16", f"{ipv6}/64")

    def mac(self) -> str:
        return str(json.loads(self.run("ip", "-j", "link", "show", "eth0").stdout)[0]["address"])


class Neighbourhood:
    """Nodes named node-1 and so on, a client, and the feeds that all nodes share."""

    def __init__(self, nodes: int) -> None:
        self.services: FakeFeed[Service] = FakeFeed()
        self.slices: FakeFeed[EndpointSlice] = FakeFeed()
        self.objects: FakeFeed[Node] = FakeFeed()
        self._switch = Host("switch")
        self._switch.run("ip", "link", "add", "br0", "type", "bridge")
        self._switch.run("ip", "link", "set", "br0", "up")
        self.client = Machine("client", 1)
        self.nodes = [Machine(f"node-{number}", number + 1) for number in range(1, nodes + 1)]
        for machine in (self.client, *self.nodes):
            machine.cable(self._switch)
        for machine in self.nodes:
            machine.run("nft", RULES)
            self.objects.put(objects.node(machine.name, *machine.addresses))

    def node(self, name: str) -> Machine:
        return next(machine for machine in self.nodes if machine.name == name)

    def disconnect(self, name: str) -> None:
        """From now on nobody reaches this node, nor does it reach anybody."""
        self._switch.run("ip", "link", "set", name, "nomaster")

    def connect(self, name: str) -> None:
        """Undo `disconnect`."""
        self._switch.run("ip", "link", "set", name, "master", "br0")

    @contextlib.asynccontextmanager
    async def announcing(self, *names: str) -> AsyncIterator[dict[str, Announcements]]:
        """These nodes' announcements, at work; entered when all is applied that is known. Left, the kernel goes on."""
        async with contextlib.AsyncExitStack() as stack:
            found = {}
            for name in names:
                machine = self.node(name)
                with inside_network(machine.path):
                    beacon = Beacon()
                    sink = ProxySink(beacon)
                    feeds = Feeds(self.services, self.slices, self.objects)
                    found[name] = Announcements(name, RANGES, feeds, sink, machine_links(machine), rules_exist)
                await stack.enter_async_context(running(Announcing(found[name], beacon, sink, LinkEvents()).run()))
            for one in found.values():
                await one.settle()
            yield found

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Every node answers on its port with its name."""
        async with contextlib.AsyncExitStack() as stack:
            for machine in self.nodes:
                with inside_network(machine.path):
                    listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
                server = await asyncio.start_server(_greeter(machine.name), sock=listener)
                stack.callback(server.close)
            yield

    async def answer(self, address: str, seconds: float = ANSWER_SECONDS) -> str:
        """Who answers the client at this address; empty where nobody does in that time."""
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(min(seconds, 1.0)):
                    return await connect(self.client, address)
        return ""

    async def answered_by(self, address: str, name: str) -> None:
        """Return when this node answers the client. Raises TimeoutError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while await self.answer(address, 1.0) != name:
                pass

    async def learned(self, address: str, mac: str) -> None:
        """Return when the client sends what is for this address to that hardware address. Raises TimeoutError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while mac not in self._neighbour(address):  # noqa: ASYNC110  nothing reports what the kernel holds
                await asyncio.sleep(0.02)

    def _neighbour(self, address: str) -> str:
        return self.client.run("ip", "neighbour", "show", address).stdout


async def connect(client: Host, address: str, source: str = "") -> str:
    """Who answers a connection from this host. Raises OSError and TimeoutError."""
    with inside_network(client.path):
        connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    connection.setblocking(False)
    with connection:
        if source:
            connection.bind((source, 0))
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_SECONDS):
            await loop.sock_connect(connection, (address, PORT))
            return (await loop.sock_recv(connection, 100)).decode()


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this work inside the block; it has ended behind it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def rules_exist() -> None:
    """The rules of these nodes do not depend on Services."""


def machine_links(machine: Machine) -> Callable[[Collection[IPAddress]], tuple[Link, ...]]:
    def links(addresses: Collection[IPAddress]) -> tuple[Link, ...]:
        with inside_network(machine.path):
            return uplinks(addresses)

    return links


def _greeter(name: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name.encode())
        writer.close()

    return greet
