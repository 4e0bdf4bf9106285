"""Rows of redirection: elements of redirection.nft. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import IPAddress, IPNetwork


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
