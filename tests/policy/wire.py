"""A node and its pods as network namespaces, and connections between all of them at once: real packets."""

from __future__ import annotations

import contextlib
import ipaddress
import selectors
import socket
import time
from dataclasses import dataclass

from podwire.kernel import links, routes
from podwire.kernel.elements import IPAddress
from podwire.kernel.link_end import LinkEnd
from podwire.kernel.namespaces import inside_network
from podwire.kernel.netlink import Netlink
from podwire.policy.sink import POD_LINKS
from tests.sandbox import Host, join

_BOOT = 3
"""The protocol of routes that ip-route(8) makes (rtnetlink(7))."""
CLOSED_SECONDS = 0.12
"""A connection that has not come about after this long, when all the expected ones have, is taken as denied."""
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Probe:
    """One attempt: from a host, to an address."""

    source: str
    target: str
    protocol: str
    port: int
    bind: str = ""


def links_to_pods() -> dict[IPAddress, LinkEnd]:
    """The link that each address of a pod is behind, by the routes of the network namespace that this thread is in."""
    with Netlink() as netlink:
        ends = {link.index: LinkEnd(link.name, link.index) for link in links.links(netlink)}
        found = [route for version in (4, 6) for route in routes.routes(netlink, version, _BOOT)]
    return {
        route.destination[0]: ends[route.link]
        for route in found
        if route.link in ends and ends[route.link].name.startswith(POD_LINKS)
    }


class Wire:
    """A routed node: each pod hangs on its own veth pair, as podwire's pods do."""

    def __init__(self, pods: dict[str, str], ports: tuple[int, ...] = (80, 81)) -> None:
        self.node = Host("node")
        self.hosts: dict[str, Host] = {"node": self.node}
        self._servers: dict[str, list[socket.socket]] = {}
        self._ports = ports
        for file in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            self.node.run("sh", "-c", f"echo 1 > /proc/sys/net/{file}")
        for number, (key, addresses) in enumerate(pods.items()):
            self.plug(key, addresses, f"pw{number}")
        self.serve("node", "0.0.0.0", "::")

    def plug(self, key: str, addresses: str, interface: str) -> None:
        """A new pod, or a machine outside where the interface's name does not begin with pw."""
        host = self.hosts[key] = Host(key.replace("/", "-"))
        join(self.node, host, interface, "eth0")
        lines = ["route add 169.254.1.1 dev eth0 scope link", "route add default via 169.254.1.1"]
        host.add_addresses("eth0", *addresses.split())
        for text in addresses.split():
            bits = 32 if ipaddress.ip_address(text).version == 4 else 128
            self.node.run("ip", "route", "add", f"{text}/{bits}", "dev", interface)
        self.node.add_addresses(interface, "169.254.1.1/32", "fe80::1/64")
        for line in [*lines, "route add default via fe80::1 dev eth0"]:
            host.run("ip", *line.split())
        self.serve(key, *addresses.split())

    def serve(self, key: str, *addresses: str) -> None:
        """Listen on TCP and UDP. The kernel completes connections, so nobody has to accept them."""
        with inside_network(self.hosts[key].path):
            for address in addresses:
                for port in self._ports:
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        server = _socket(address, kind)
                        server.bind((address, port))
                        if kind == socket.SOCK_STREAM:
                            server.listen(1024)
                        self._servers.setdefault(key, []).append(server)

    def reached(self, probes: list[Probe], expected: set[Probe]) -> set[Probe]:
        """The probes that came through. Waits long for those expected, and a moment more for the others."""
        self._drain_arrivals()
        open_ones: set[Probe] = set()
        with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
            for servers in self._servers.values():
                for server in servers:
                    if server.type == socket.SOCK_DGRAM:
                        selector.register(server, selectors.EVENT_READ, None)
            for number, (probe, client) in enumerate(zip(probes, self._opened(probes, stack), strict=True)):
                _attempt(client, probe, number)
                if probe.protocol == "TCP":
                    selector.register(client, selectors.EVENT_WRITE, probe)
            start = time.monotonic()
            while not self._enough(time.monotonic() - start, open_ones, expected):
                for key, _ in selector.select(timeout=0.02):
                    ready = key.fileobj
                    assert isinstance(ready, socket.socket)
                    if key.data is None:
                        open_ones.update(probes[int(message)] for message in _datagrams(ready))
                        continue
                    selector.unregister(ready)
                    if ready.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                        open_ones.add(key.data)
        return open_ones

    def arrivals(self, key: str) -> int:
        """How many datagrams wait at this host's servers; they are taken away."""
        return sum(len(_datagrams(server)) for server in self._servers[key] if server.type == socket.SOCK_DGRAM)

    def _enough(self, seconds: float, open_ones: set[Probe], expected: set[Probe]) -> bool:
        return seconds > (CLOSED_SECONDS if expected <= open_ones else PATIENCE_SECONDS)

    def _opened(self, probes: list[Probe], stack: contextlib.ExitStack) -> list[socket.socket]:
        """A socket of each probe's host; each host's network is entered once."""
        made: dict[int, socket.socket] = {}
        for source in {probe.source for probe in probes}:
            with inside_network(self.hosts[source].path):
                for number, probe in enumerate(probes):
                    if probe.source == source:
                        kind = socket.SOCK_STREAM if probe.protocol == "TCP" else socket.SOCK_DGRAM
                        made[number] = stack.enter_context(_socket(probe.target, kind))
        return [made[number] for number in range(len(probes))]

    def _drain_arrivals(self) -> None:
        for servers in self._servers.values():
            for server in servers:
                if server.type == socket.SOCK_DGRAM:
                    list(_datagrams(server))
                else:
                    with contextlib.suppress(BlockingIOError):
                        while True:
                            server.accept()[0].close()


def _attempt(client: socket.socket, probe: Probe, number: int) -> None:
    """Connect, or send the probe's number."""
    if probe.bind:
        client.bind((probe.bind, 0))
    with contextlib.suppress(BlockingIOError):
        client.connect((probe.target, probe.port))
    if probe.protocol != "TCP":
        client.send(str(number).encode())


def _socket(address: str, kind: socket.SocketKind) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _datagrams(server: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(server.recv(64))
    return found
