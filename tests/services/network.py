"""A node with pods, for real packets: the node is the sandbox's own network namespace."""

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from podwire.engine.row import Delta
from podwire.kernel.conntrack import Conntrack, Family, Flow, FlowProtocol
from podwire.kernel.namespaces import inside_network
from podwire.kernel.nftables import Nftables
from podwire.kernel.setdump import SetDump
from podwire.kube import core
from podwire.kube.discovery import EndpointSlice
from podwire.kube.networking import ServiceCIDR
from podwire.kube.services import Service
from podwire.services.node_view import NodeView
from podwire.services.proxy import HostFeeds, ServiceProxy
from podwire.services.rows import Row
from podwire.services.sink import ServiceSink
from tests.sandbox import Host, add_addresses
from tests.services.objects import NODE, FakeFeed, node_at

ANSWER_SECONDS = 30.0
SILENCE_SECONDS = 0.5
"""How long to wait for an answer that must not come."""

NODE_ADDRESS4, NODE_ADDRESS6 = "172.18.0.2", "fd00:172:18::2"

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def ip(*words: str) -> None:
    """Change the node's network."""
    subprocess.run(["ip", *words], check=True)


class Client(Protocol):
    """A pod or a host that connects."""

    def open(self, family: int, kind: int) -> socket.socket:
        """A socket of this client."""
        ...


class Outside:
    """A host beside the node, which is no node: 172.18.0.1, and further addresses."""

    address4, address6 = "172.18.0.1", "fd00:172:18::1"

    def __init__(self) -> None:
        self._host = Host("outside")
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "node", "netns", str(self._host.path))
        ip("link", "set", "eth0", "up")
        self.run("link", "set", "node", "up")
        self._host.add_addresses("node", f"{self.address4}/16", f"{self.address6}/64")

    def run(self, *words: str) -> None:
        """Change its network."""
        self._host.run("ip", *words)

    def reach(self, *networks: str) -> None:
        """From now on it sends what is for these addresses to the node."""
        for network in networks:
            gateway = NODE_ADDRESS6 if ":" in network else NODE_ADDRESS4
            self.run("route", "add", network, "via", gateway)

    def open(self, family: int, kind: int) -> socket.socket:
        with inside_network(self._host.path):
            made = socket.socket(family, kind)
        made.setblocking(False)
        return made


class Pod:
    """A network namespace with an address of each family. Its servers answer with its name and the client's address."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.address4, self.address6 = f"10.244.1.{number}", f"fd00:10:244:1::{number:x}"
        self._host = Host(name)
        self._servers: list[asyncio.AbstractServer | asyncio.BaseTransport] = []
        link = f"pw{name}"
        ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self._host.path))
        ip("link", "set", link, "up")
        self._host.run("ip", "link", "set", "eth0", "up")
        add_addresses(link, "169.254.1.1/32", "fe80::1/64")
        ip("route", "add", self.address4, "dev", link)
        ip("route", "add", self.address6, "dev", link)
        self.add_address(self.address4, self.address6)
        inside = "route add 169.254.1.1 dev eth0\nroute add default via 169.254.1.1\n"
        inside += "route add default via fe80::1 dev eth0\n"
        self._batch(inside)

    def add_address(self, *addresses: str) -> None:
        self._host.add_addresses("eth0", *addresses)

    def route_loopback(self) -> None:
        """Send what is for loopback addresses to the node, and take answers from there."""
        with inside_network(self._host.path):
            Path("/proc/sys/net/ipv4/conf/all/route_localnet").write_text("1")
        self._host.run("ip", "route", "del", "local", "127.0.0.0/8", "dev", "lo", "table", "local")
        self._host.run("ip", "route", "add", "127.0.0.0/8", "via", "169.254.1.1", "src", self.address4)

    def open(self, family: int, kind: int) -> socket.socket:
        with inside_network(self._host.path):
            made = socket.socket(family, kind)
        made.setblocking(False)
        return made

    async def serve(self, port: int = 8080) -> None:
        """Answer on TCP and UDP, both families, with our name and the caller's address."""
        for kind in (TCP, UDP):
            server = self.open(socket.AF_INET6, kind)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(("::", port))
            await self._answer(server, kind)

    async def _answer(self, server: socket.socket, kind: int) -> None:
        loop = asyncio.get_running_loop()
        if kind == TCP:
            self._servers.append(await asyncio.start_server(self._greet, sock=server))
        else:
            transport, _ = await loop.create_datagram_endpoint(lambda: _Greeter(self.name), sock=server)
            self._servers.append(transport)

    async def _greet(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours, caller = writer.get_extra_info("sockname")[0], writer.get_extra_info("peername")[0]
        writer.write(f"{self.name} {_plain(ours)} {_plain(caller)}".encode())
        writer.close()

    def _batch(self, text: str) -> None:
        with inside_network(self._host.path):
            subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)


class _Greeter(asyncio.DatagramProtocol):
    def __init__(self, name: str) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        self._transport.sendto(f"{self._name} - {_plain(addr[0])}".encode(), addr)


class Answer:
    """The pod that answered, at which of its addresses (TCP only), and the client's address that it saw."""

    def __init__(self, raw: bytes) -> None:
        self.name, self.address, self.caller = raw.decode().split()


async def request(
    pod: Client | None, address: str, port: int = 80, kind: int = TCP, *, seconds: float = ANSWER_SECONDS
) -> Answer:
    """One new connection or datagram from a pod, or from the node itself.

    Raises ConnectionRefusedError, or TimeoutError where nobody answers.
    """
    with opened(pod, address, kind) as client:
        return await request_from(client, address, port, kind, seconds=seconds)


async def request_from(
    client: socket.socket, address: str, port: int = 80, kind: int = UDP, *, seconds: float = ANSWER_SECONDS
) -> Answer:
    """The same from a socket that exists: a datagram of the same flow."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        await loop.sock_connect(client, (address, port))
        if kind == UDP:
            await loop.sock_sendall(client, b"who are you?")
        return Answer(await loop.sock_recv(client, 1000))


def opened(pod: Client | None, address: str, kind: int) -> socket.socket:
    """A client's socket in a pod, or on the node."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if pod is not None:
        return pod.open(family, kind)
    client = socket.socket(family, kind)
    client.setblocking(False)
    return client


async def responders(pod: Client | None, address: str, port: int = 80, kind: int = TCP, times: int = 30) -> set[str]:
    """The names of the pods that answered so many new connections."""
    return {(await request(pod, address, port, kind)).name for _ in range(times)}


class Node:
    """The node, its pods and its service proxy."""

    def __init__(self) -> None:
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
        self._pods = 0
        self.outside = Outside()
        add_addresses("eth0", f"{NODE_ADDRESS4}/16", f"{NODE_ADDRESS6}/64")
        ip("route", "add", "default", "via", "172.18.0.1")
        ip("route", "add", "default", "via", "fd00:172:18::1")
        self.services: FakeFeed[Service] = FakeFeed()
        self.slices: FakeFeed[EndpointSlice] = FakeFeed()
        self.pods: FakeFeed[core.Pod] = FakeFeed()
        self.nodes: FakeFeed[core.Node] = FakeFeed()
        self.service_cidrs: FakeFeed[ServiceCIDR] = FakeFeed()
        self.batches: list[Delta[Row]] = []
        """What the proxies have written."""

    async def beyond(self, address: str, port: int) -> None:
        """A host beyond the node that has this address, and answers if a packet to it gets out."""
        host = await self.pod("beyond", port)
        host.add_address(address)
        self.route(f"{address}/32", host)

    def add_address(self, *addresses: str) -> None:
        """Give the node more addresses, with the lengths of their prefixes."""
        add_addresses("eth0", *addresses)

    def add_route(self, network: str, gateway: str) -> None:
        """From now on the node sends what is for this network to the gateway."""
        ip("route", "add", network, "via", gateway)

    def route(self, network: str, pod: Pod) -> None:
        """From now on this network is behind the pod."""
        ip("route", "add", network, "dev", f"pw{pod.name}")

    def track(self) -> None:
        """Connections are tracked even before podwire's rules exist, as other rules of a node do."""
        Nftables().run("table inet t { chain c { type filter hook prerouting priority 0; ct state new accept; }; }")

    def datagrams(self, address: str) -> list[Flow]:
        """The UDP flows that were sent to this address."""
        family = Family.IPV6 if ":" in address else Family.IPV4
        return [flow for flow in Conntrack().flows(family, FlowProtocol.UDP) if flow.destination == address]

    async def pod(self, name: str, *ports: int) -> Pod:
        self._pods += 1
        made = Pod(name, self._pods + 1)
        for port in ports:
            await made.serve(port)
        return made

    @contextlib.asynccontextmanager
    async def proxy(self, view: NodeView = NODE) -> AsyncIterator[ServiceProxy]:
        """The proxy at work; entered when everything put so far is in the kernel."""
        host = HostFeeds(self.pods, self.nodes, self.service_cidrs)
        if not self.nodes.objects:
            self.nodes.put(node_at(NODE_ADDRESS4, NODE_ADDRESS6))
        proxy = ServiceProxy(self.services, self.slices, _Recorded(self.batches), view, host)
        for feed in (self.services, self.slices, self.pods, self.nodes, self.service_cidrs):
            feed.synced.set()
        task = asyncio.create_task(proxy.run())
        try:
            await proxy.settle()
            yield proxy
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class _Recorded(ServiceSink):
    """The kernel, and a record of what it took."""

    def __init__(self, batches: list[Delta[Row]]) -> None:
        super().__init__(Nftables(), SetDump(), Conntrack())
        self._batches = batches

    async def write(self, delta: Delta[Row]) -> None:
        await super().write(delta)
        self._batches.append(delta)


def _plain(address: str) -> str:
    return address.removeprefix("::ffff:")
