"""The announcements of one node: watches Services, EndpointSlices and Nodes, and keeps its targets equal to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import msgspec

from podwire.announcement.model import IPNetwork, Link
from podwire.announcement.rows import ProxyRow, proxy_rows
from podwire.announcement.view import AnnouncementView
from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import Sink
from podwire.kube.addresses import IPAddress
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.feed import Feed
from podwire.kube.services import Service
from podwire.kube.watch import Change


class Feeds(msgspec.Struct, frozen=True):
    """What announcements are made of."""

    services: Feed[Service]
    slices: Feed[EndpointSlice]
    nodes: Feed[Node]


class Announcements:
    """The addresses of load balancers in `ranges`, announced by this node where it is elected. An owner is an address.

    `links` returns the links that lead to clients. It is read when a Node changes.
    """

    def __init__(
        self,
        node: str,
        ranges: Iterable[IPNetwork],
        feeds: Feeds,
        sink: Sink[ProxyRow],
        links: Callable[[Collection[IPAddress]], tuple[Link, ...]],
    ) -> None:
        self.electorate_changed = asyncio.Event()
        """Set when a Node came, went or changed: another node may have announced our addresses meanwhile."""
        self._node = node
        self._feeds = feeds
        self._find_links = links
        self._links: tuple[Link, ...] = ()
        self._view = AnnouncementView(tuple(ranges), self._slices)
        self._reconciler: Reconciler[IPAddress, ProxyRow] = Reconciler("announcement", self._derive, sink)
        feeds.services.subscribe(lambda change: self._touch(self._view.service_changed(change)))
        feeds.slices.subscribe(lambda change: self._touch(self._view.slice_changed(change)))
        feeds.nodes.subscribe(self._node_changed)

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return (self._reconciler,)

    async def run(self) -> None:
        """Work for ever. Begins when all objects are known: half of them would elect other nodes."""
        for feed in (self._feeds.services, self._feeds.slices, self._feeds.nodes):
            await feed.synced.wait()
        self._reconciler.inputs_synced()
        await self._reconciler.run()

    async def settle(self) -> None:
        """Wait until all changes received before this call are applied."""
        await self._reconciler.settle()

    def proxies(self) -> Iterator[ProxyRow]:
        """Return the rows of the addresses that the kernel should answer for."""
        return self._reconciler.table.rows()

    def rows(self) -> Iterator[str]:
        """Return all addresses that this node should announce, and those that the kernel refuses, as text."""
        return self._reconciler.lines()

    def _slices(self) -> Iterable[EndpointSlice]:
        return self._feeds.slices.objects.values()

    def _node_changed(self, change: Change[Node]) -> None:
        concerned = self._view.node_changed(change)
        if change.new is not None and change.new.metadata.name == self._node:
            links = self._find_links(self._view.node_addresses(self._node))
            concerned |= frozenset(self._view.addresses) if links != self._links else frozenset()
            self._links = links
        self._touch(concerned)
        if concerned:
            self.electorate_changed.set()

    def _touch(self, addresses: frozenset[IPAddress]) -> None:
        if addresses:
            self._reconciler.touch(*addresses)

    def _derive(self, address: IPAddress) -> Iterator[ProxyRow]:
        return proxy_rows(address, self._node, self._view.electorate(address), self._links)
