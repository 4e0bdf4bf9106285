"""What EgressGateways mean: the pods, addresses and destinations of each, and the node that serves it. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.kube.addresses import usable
from podwire.kube.core import Node
from podwire.kube.egress_gateway import EgressGateway, EgressGatewaySpec
from podwire.kube.meta import NamespacedName
from podwire.kube.selectors import matches

EVERYWHERE: dict[int, IPNetwork] = {4: ipaddress.ip_network("0.0.0.0/0"), 6: ipaddress.ip_network("::/0")}
_TABLES = 0x70000000
"""The first of the numbers of route tables: 28 bits of a hash of the name follow."""


class Source(msgspec.Struct, frozen=True):
    """A pod as gateways see it: what selects it, and where its packets come from."""

    key: NamespacedName
    labels: dict[str, str]
    addresses: tuple[IPAddress, ...]
    node: str


class Gateway(msgspec.Struct, frozen=True):
    """An EgressGateway that was read. With problems no node serves it: its pods do not leave the cluster.

    `destinations` are disjoint, and all there is where the EgressGateway has none.
    """

    name: str
    spec: EgressGatewaySpec
    created: str = ""
    addresses: tuple[IPAddress, ...] = ()
    destinations: tuple[IPNetwork, ...] = tuple(EVERYWHERE.values())
    problems: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[str, str]:
        """The seniority: a pod that several select leaves by the oldest one."""
        return (self.created, self.name)

    @property
    def table(self) -> int:
        """The number of its route table, which follows from the name."""
        return _TABLES | int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4], "big") & 0x0FFFFFFF

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions that it is for: those of its addresses; both where they cannot be read."""
        return (4, 6) if self.problems else tuple(sorted(address.version for address in self.addresses))

    def address(self, version: int) -> IPAddress | None:
        """The source address of one IP version."""
        return next((address for address in self.addresses if address.version == version), None)

    def towards(self, version: int) -> Iterator[IPNetwork]:
        """The destinations of one IP version."""
        return (network for network in self.destinations if network.version == version)

    def selects(self, source: Source, namespace: Mapping[str, str] | None) -> bool:
        """Whether it selects a pod in a namespace with these labels; None: the namespace is not known."""
        selected = namespace is not None and matches(self.spec.namespace_selector, namespace)
        return selected and matches(self.spec.pod_selector, source.labels)


def read(item: EgressGateway, nodes: Iterable[IPAddress] = (), inside: Iterable[IPNetwork] = ()) -> Gateway:
    """Read an EgressGateway in a cluster with these addresses of nodes and ranges of pods and Services."""
    problems = [*_gateway_problems(item.spec)]
    addresses = tuple(_addresses(item.spec, frozenset(nodes), tuple(inside), problems))
    destinations = tuple(_destinations(item.spec, problems))
    created = item.metadata.creation_timestamp or ""
    return Gateway(item.metadata.name, item.spec, created, addresses, destinations, tuple(problems))


def serving(gateway: Gateway, nodes: Iterable[Node]) -> str:
    """Return the first node of the gateway's list that is Ready and does not leave; empty where there is none."""
    ready = sorted((node for node in nodes if node.ready and not node.leaving), key=lambda node: node.metadata.name)
    if gateway.problems:
        return ""
    for entry in gateway.spec.gateways:
        for node in ready:
            selected = entry.node_selector is not None and matches(entry.node_selector, node.metadata.labels)
            if selected or entry.name == node.metadata.name:
                return node.metadata.name
    return ""


def _gateway_problems(spec: EgressGatewaySpec) -> Iterator[str]:
    if not spec.gateways:
        yield "spec.gateways is empty: name a node, or select some"
    for number, entry in enumerate(spec.gateways):
        if bool(entry.name) == (entry.node_selector is not None):
            yield f"spec.gateways[{number}] needs either name or nodeSelector"


def _addresses(
    spec: EgressGatewaySpec, nodes: frozenset[IPAddress], inside: tuple[IPNetwork, ...], problems: list[str]
) -> Iterator[IPAddress]:
    if not spec.addresses:
        problems.append("spec.addresses is empty: give an address of each IP version that the pods use")
    versions: set[int] = set()
    for number, text in enumerate(spec.addresses):
        where, address = f"spec.addresses[{number}] {text!r}", usable(text)
        if address is None:
            problems.append(f"{where} is no address of a host")
        elif address.version in versions:
            problems.append(f"{where} is a second one of IPv{address.version}: one of each version is used")
        elif address in nodes or any(address in network for network in inside):
            problems.append(f"{where} is an address of a node, pod or Service: give a free one of the nodes' link")
        else:
            versions.add(address.version)
            yield address


def _destinations(spec: EgressGatewaySpec, problems: list[str]) -> Iterator[IPNetwork]:
    if not spec.destinations:
        yield from EVERYWHERE.values()
        return
    found: list[IPNetwork] = []
    for number, text in enumerate(spec.destinations):
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            problems.append(f"spec.destinations[{number}] {text!r} is no range: {error}")
    if problems:
        yield from EVERYWHERE.values()
        return
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv4Network))
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv6Network))
