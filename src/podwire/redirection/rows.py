"""Rows of redirection: elements of redirection.nft. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

import msgspec

from podwire.kernel.elements import Change, Element, IPAddress, IPNetwork, Part


class ElementRow(msgspec.Struct, frozen=True):
    """An element of a set of redirection.nft."""

    collection: str
    parts: tuple[Part, ...]

    @property
    def key(self) -> Hashable:
        """Set and element."""
        return (self.collection, self.parts)

    @property
    def stage(self) -> int:
        """The elements are independent of each other."""
        return 0

    @property
    def element(self) -> Element:
        """As nftables takes it."""
        return Element(self.collection, self.parts)

    def __str__(self) -> str:
        return f"{self.collection} {self.element.text}"


def element_change(rows: tuple[ElementRow | None, ElementRow | None]) -> Change:
    """The elements of a row before and after a change."""
    old, new = rows
    return (() if old is None else (old.element,)), (() if new is None else (new.element,))


def pod_rows(addresses: Iterable[IPAddress]) -> Iterator[ElementRow]:
    """The rows of an enrolled pod of this node."""
    for address in addresses:
        yield ElementRow(f"enrolled{address.version}", (address,))
        yield ElementRow(f"self{address.version}", (address, address))


def peer_rows(addresses: Iterable[IPAddress]) -> Iterator[ElementRow]:
    """The rows of a pod of another node that an Envoy receives connections for."""
    return (ElementRow(f"peers{address.version}", (address,)) for address in addresses)


def range_rows(networks: Iterable[IPNetwork]) -> Iterator[ElementRow]:
    """The rows of the cluster's pod ranges, which are disjoint."""
    return (ElementRow(f"ranges{network.version}", (network,)) for network in networks)


def frontend_rows(addresses: Iterable[IPAddress], port: int) -> Iterator[ElementRow]:
    """The rows of a port of a Service with routes."""
    return (ElementRow(f"frontends{address.version}", (address, port)) for address in addresses)


def identified_rows(addresses: Iterable[IPAddress]) -> Iterator[ElementRow]:
    """The rows of addresses that Envoy has an identity for."""
    return (ElementRow(f"identified{address.version}", (address,)) for address in addresses)


def routed_rows(clients: Iterable[IPAddress], addresses: Iterable[IPAddress], port: int) -> Iterator[ElementRow]:
    """The rows of a port of a Service with routes for these clients only."""
    frontends = tuple(addresses)
    for client in clients:
        for address in frontends:
            if address.version == client.version:
                yield ElementRow(f"routed{address.version}", (client, address, port))
