"""Rows: the addresses that the kernel answers for on a link of this node, and those announced by BGP. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import ClassVar

import msgspec

from podwire.announcement import model
from podwire.announcement.model import Link
from podwire.kube.addresses import IPAddress


class ProxyRow(msgspec.Struct, frozen=True):
    """An address that the kernel answers for by ARP or neighbour discovery, on the link of this name.

    An empty name is that of an entry which is there in part only: it is always replaced or removed.
    """

    stage: ClassVar[int] = 0

    address: IPAddress
    link: str

    @property
    def key(self) -> Hashable:
        """One link answers for an address."""
        return self.address

    def __str__(self) -> str:
        return f"{'ARP' if self.address.version == 4 else 'ND'} {self.address} on {self.link}"


class RouteRow(msgspec.Struct, frozen=True):
    """An address that is announced to BGP peers as a route of one host."""

    stage: ClassVar[int] = 0

    address: IPAddress

    @property
    def key(self) -> Hashable:
        """One route leads to an address."""
        return self.address

    def __str__(self) -> str:
        return f"BGP {self.address}/{self.address.max_prefixlen}"


def proxy_rows(address: IPAddress, links: Iterable[Link]) -> Iterator[ProxyRow]:
    """Return the row of an address that this node is elected to announce, where a link leads to clients."""
    if link := model.link_of(address, links):
        yield ProxyRow(address, link)


def route_rows(address: IPAddress, node: str, electorate: frozenset[str]) -> Iterator[RouteRow]:
    """Return the row of an address that this node announces by BGP, beside all others of the electorate."""
    if node in electorate:
        yield RouteRow(address)
