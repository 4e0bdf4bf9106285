"""Packets of a pod or a node of a cluster: which link they pass on which node, and their capture there."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from collections.abc import AsyncIterator
from typing import BinaryIO
from urllib.parse import urlsplit

import msgspec

from podwire.insight.operations.node_commands import reached, run_on
from podwire.insight.operations.programs import ClusterError
from podwire.kernel import links, pcap
from podwire.kernel.capture import Limits
from podwire.kernel.elements import IPAddress
from podwire.kernel.netlink import Netlink
from podwire.kernel.routes import routes
from podwire.kube.client import Client
from podwire.kube.kinds import NODES, PODS
from podwire.kube.remote_command import Output
from podwire.lab.host import pod_choice
from podwire.pods.links import ROUTE_PROTOCOL

POD_INTERFACE = "eth0"
KUBELET_PORT, API_PORT = 10250, 6443
"""Where they listen unless configured otherwise (kubernetes.io "Ports and Protocols")."""


class Place(msgspec.Struct, frozen=True):
    """Where packets are captured: a node, and there the link of a pod's address or a link by its name."""

    node: str
    address: str = ""
    interface: str = ""

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of the verb on that node."""
        if self.address:
            return (self.address,)
        return ("--interface", self.interface) if self.interface else ()


async def place_of(client: Client, target: str, interface: str) -> Place:
    """Find a target: a node, a pod or a workload, of namespace default unless its name has one.

    Raises ClusterError, and WorldError for a name that means nothing or several things. Without an interface it is a
    pod's eth0, or the link by which other nodes reach a node.
    """
    nodes = [one.metadata.name for one in (await client.list(NODES)).items]
    if target in nodes:
        return Place(target, interface=interface)
    name = pod_choice.parsed(target)
    pod = pod_choice.choose(name, (await client.list(PODS, name.namespace)).items, nodes).pod
    if pod.spec.host_network:
        return Place(pod.spec.node_name, interface=interface)
    if interface not in {"", POD_INTERFACE}:
        raise ClusterError(f"--interface {interface}: of a pod in a cluster only {POD_INTERFACE} can be captured")
    if not pod.addresses:
        key = pod.key
        raise ClusterError(f"pod {key}: has no address yet; see 'kubectl -n {key.namespace} describe pod {key.name}'")
    return Place(pod.spec.node_name, address=pod.addresses[0])


class Counted:
    """A pcap stream on its way to a file: whole pieces are written at once, packets are counted."""

    def __init__(self, file: BinaryIO) -> None:
        self.packets = 0
        self._file = file
        self._errors = sys.stderr.buffer
        self._to_skip = pcap.HEADER_BYTES
        self._header = b""

    @property
    def output(self) -> Output:
        """Where the command on the node writes to."""
        return Output(self._write, self._complain)

    def _write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._file.flush()
        while piece:
            skipped = min(self._to_skip, len(piece))
            self._to_skip -= skipped
            piece = piece[skipped:]
            requested = pcap.RECORD_BYTES - len(self._header)
            self._header += piece[:requested]
            piece = piece[requested:]
            if len(self._header) == pcap.RECORD_BYTES:
                self._to_skip = pcap.captured_bytes(self._header)
                self._header = b""
                self.packets += 1

    def _complain(self, piece: bytes) -> None:
        self._errors.write(piece)
        self._errors.flush()


def words(limits: Limits) -> tuple[str, ...]:
    """Return limits as arguments of the verb."""
    count = () if limits.count is None else ("--count", str(limits.count))
    seconds = () if limits.seconds is None else ("--seconds", str(limits.seconds))
    return (*count, *seconds, *(word for port in limits.without_ports for word in ("--without-port", str(port))))


def stream_ports(server: str) -> tuple[int, ...]:
    """Return the TCP ports by which a capture leaves a node: to capture these too would be more each time.

    Those of the kubelet and of the API server, which may be on that node, with `server` its URL.
    """
    url = urlsplit(server)
    return tuple(dict.fromkeys((KUBELET_PORT, url.port or 443, API_PORT)))


async def capture(client: Client, place: Place, limits: Limits, output: Output) -> int:
    """Stream a capture until it ends by its limits or this call is cancelled; return the verb's exit status.

    The end of its standard input ends the program on the node, also when this process is killed.
    """
    found = await reached(client, (place.node,))
    if place.node in found.unreached:
        raise ClusterError(found.unreached[place.node])
    return await run_on(
        client, found.agents[place.node], ("capture", *place.words, *words(limits)), output, _open_input()
    )


async def _open_input() -> AsyncIterator[bytes]:
    """An input without content that ends with the call."""
    await asyncio.Event().wait()
    yield b""


def link_to(address: IPAddress) -> str:
    """Return the name of this node's link to a pod's address. Raises ClusterError where no pod here has it."""
    with Netlink() as netlink:
        for route in routes(netlink, address.version, ROUTE_PROTOCOL):
            if route.destination == ipaddress.ip_network(address) and (link := links.find(netlink, index=route.link)):
                return link.name
    raise ClusterError(f"{address}: no pod of this node has this address; has the pod ended?")


def uplink() -> str:
    """Return the name of the link with this node's default route, else of the first that is up. Raises ClusterError."""
    with Netlink() as netlink:
        for version in (4, 6):
            for route in routes(netlink, version):
                if not route.destination.prefixlen and (link := links.find(netlink, index=route.link)):
                    return link.name
        for link in links.links(netlink):
            if link.up and link.name != "lo" and link.kind not in {"veth", "vxlan"}:
                return link.name
    raise ClusterError("this node has no default route and no other link that is up: choose one with --interface")
