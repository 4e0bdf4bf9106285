"""Rows of egress gateways: elements of egress.nft, and the routes and rules that lead to another node. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator

import msgspec

from podwire.egress.model import Gateway, Source
from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import IPAddress, IPNetwork


class WayRow(msgspec.Struct, frozen=True):
    """A route in the table of a gateway: to another node, to nowhere, or back to the main table.

    A way to nowhere counts where there is no way to a node: pods do not leave with another address then.
    """

    table: int
    destination: IPNetwork
    kind: str
    gateway: IPAddress | None = None
    link: str = ""
    stage: int = 0

    @property
    def key(self) -> Hashable:
        """One way of each kind leads to a destination."""
        return ("way", self.table, self.destination, self.kind)

    def __str__(self) -> str:
        way = f"via {self.gateway} {self.link}".rstrip() if self.gateway is not None else self.kind
        return f"table {self.table} {self.destination} {way}"


class RuleRow(msgspec.Struct, frozen=True):
    """What a pod of this node sends is routed by the table of its gateway."""

    source: IPAddress
    table: int
    stage: int = 1

    @property
    def key(self) -> Hashable:
        """A pod's address is routed by one table."""
        return ("rule", self.source)

    def __str__(self) -> str:
        return f"from {self.source} table {self.table}"


VIA, UNREACHABLE, THROW = "via", "unreachable", "throw"
RouteRow = WayRow | RuleRow
Hop = Callable[[int], "tuple[IPAddress, str] | None"]
"""Returns the next hop to the gateway node by IP version, and its link where it is a tunnel; None: there is none."""


def element_rows(gateway: Gateway, node: str, own: str, sources: Iterable[Source]) -> Iterator[ElementRow]:
    """The elements of a gateway that `node` serves, on the node `own`."""
    if node == own:
        yield from (ElementRow(f"addresses{one.version}", (one,)) for one in gateway.addresses)
    for source in sources:
        for pod in source.addresses:
            address = gateway.address(pod.version)
            if address is None or own not in {node, source.node}:
                continue
            for destination in gateway.towards(pod.version):
                yield ElementRow(f"leaving{pod.version}", (pod, destination), (address if node == own else pod,))
                if node != own:
                    yield ElementRow(f"through{pod.version}", (pod, destination))


def route_rows(
    gateway: Gateway, node: str, own: str, sources: Iterable[Source], inside: Iterable[IPNetwork], hop: Hop
) -> Iterator[RouteRow]:
    """The routes of a gateway that `node` serves, on the node `own`: none where it serves, or has no such pod."""
    if node == own:
        return
    pods = [pod for source in sources if source.node == own for pod in source.addresses]
    for version in gateway.versions:
        mine = [pod for pod in pods if pod.version == version]
        if not mine:
            continue
        yield from _ways(gateway, version, inside, hop(version) if node else None)
        yield from (RuleRow(pod, gateway.table) for pod in mine)


def _ways(
    gateway: Gateway, version: int, inside: Iterable[IPNetwork], hop: tuple[IPAddress, str] | None
) -> Iterator[WayRow]:
    for network in inside:
        if network.version == version:
            yield WayRow(gateway.table, network, THROW)
    for destination in gateway.towards(version):
        if any(destination == network for network in inside):
            continue
        yield WayRow(gateway.table, destination, UNREACHABLE)
        if hop is not None:
            yield WayRow(gateway.table, destination, VIA, *hop)
