"""The announcements of one node: watches Services, EndpointSlices and Nodes, and keeps its targets equal to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import Any, Protocol

import msgspec

from podwire.announcement.after_rules import AfterRules
from podwire.announcement.election import Elections
from podwire.announcement.heartbeats import Heartbeats
from podwire.announcement.model import IPNetwork, Link
from podwire.announcement.rows import ProxyRow, RouteRow, proxy_rows, route_rows
from podwire.announcement.view import AnnouncementView
from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import Sink
from podwire.kube.addresses import IPAddress
from podwire.kube.coordination import Lease
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


class RouteTarget(Sink[RouteRow], Protocol):
    """What announces routes by BGP."""

    @property
    def pod_ranges(self) -> tuple[IPNetwork, ...]:
        """The ranges of the node's pods that are announced too."""
        ...

    def use(self, addresses: Iterable[IPAddress], node: Node) -> None:
        """These are the node's addresses, and its Node, from now on."""
        ...

    def begin(self) -> None:
        """All routes are known: announce them."""
        ...


class Announcements:
    """The addresses of load balancers in `ranges`, announced by this node where it is elected. An owner is an address.

    `links` returns the links that lead to clients. It is read when a Node changes. With `routes` all nodes that may
    announce an address do so by BGP too. No address is announced before `settled` has returned: it waits until what is
    known of Services is in the kernel.
    """

    def __init__(
        self,
        node: str,
        ranges: Iterable[IPNetwork],
        feeds: Feeds,
        sink: Sink[ProxyRow],
        links: Callable[[Collection[IPAddress]], tuple[Link, ...]],
        settled: Callable[[], Awaitable[None]],
        routes: RouteTarget | None = None,
    ) -> None:
        self.electorate_changed = asyncio.Event()
        """Set when a Node came, went or changed, or a link did: hosts may have learned another node meanwhile."""
        self.heartbeats = Heartbeats(node)
        """Leaves out nodes without an agent, once it has begun. BGP needs none: a session ends with its agent."""
        self.needed = asyncio.Event()
        """Set when there is an address to announce."""
        self._node = node
        self._feeds = feeds
        self._find_links = links
        self._links: tuple[Link, ...] = ()
        self._view = AnnouncementView(tuple(ranges), self._slices)
        self._elections = Elections()
        self._proxies: Reconciler[IPAddress, ProxyRow] = Reconciler(
            "announcement", self._derive_proxies, AfterRules(sink, settled)
        )
        self._target = routes
        self._routes = None if routes is None else Reconciler("bgp", self._derive_routes, AfterRules(routes, settled))
        feeds.services.subscribe(lambda change: self._touch(self._view.service_changed(change)))
        feeds.slices.subscribe(lambda change: self._touch(self._view.slice_changed(change)))
        feeds.nodes.subscribe(self._node_changed)

    @property
    def reconcilers(self) -> tuple[Reconciler[IPAddress, Any], ...]:
        """For metrics."""
        return (self._proxies,) if self._routes is None else (self._proxies, self._routes)

    async def run(self) -> None:
        """Run until cancelled. Begins when all objects are known: half of them would elect other nodes."""
        for feed in (self._feeds.services, self._feeds.slices, self._feeds.nodes):
            await feed.synced.wait()
        async with asyncio.TaskGroup() as tasks:
            for one in self.reconcilers:
                one.inputs_synced()
                tasks.create_task(one.run())
            if self._target is not None:
                await self.settle()
                self._target.begin()

    async def settle(self) -> None:
        """Wait until all changes received before this call are applied."""
        for one in self.reconcilers:
            await one.settle()

    def link_changed(self, names: Collection[str] | None) -> None:
        """Links with these names, or any, came up or changed: entries on them may be gone, and their addresses."""
        if names is None or any(link.name in names for link in self._links):
            self._links = self._find_links(self._view.node_addresses(self._node))
            self._proxies.read_again()
            self._touch(frozenset(self._view.addresses))
            self.electorate_changed.set()

    @property
    def is_needed(self) -> bool:
        """Whether there is an address to announce now."""
        return bool(self._view.addresses)

    def lease_changed(self, change: Change[Lease]) -> None:
        """Take a change of an agent's Lease.

        What an agent wrote outlives it: a node without one still answers for its addresses. So the frames are
        repeated as long as there is such a node.
        """
        if self.heartbeats.lease_changed(change):
            self._proxies.touch(*self._view.addresses)
        is_own = change.new is not None and change.new.spec.holder_identity == self._node
        if is_own and any(self.heartbeats.dead & self._view.electorate(row.address) for row in self.proxies()):
            self.electorate_changed.set()

    def services(self, address: IPAddress) -> list[Service]:
        """Return the Services that have this address."""
        return self._view.services(address)

    def proxies(self) -> tuple[ProxyRow, ...]:
        """Return the rows of the addresses that the kernel should answer for."""
        return tuple(self._proxies.table.rows())

    def routes(self) -> tuple[RouteRow, ...]:
        """Return the rows of the addresses that are announced by BGP."""
        return () if self._routes is None else tuple(self._routes.table.rows())

    def rows(self) -> Iterator[str]:
        """Return all addresses that this node should announce, and those that are refused, as text."""
        for one in self.reconcilers:
            yield from one.lines()
        if self._target is not None:
            yield from (f"BGP {network}" for network in self._target.pod_ranges)

    def _slices(self) -> Iterable[EndpointSlice]:
        return self._feeds.slices.objects.values()

    def _node_changed(self, change: Change[Node]) -> None:
        concerned = self._view.node_changed(change)
        if change.new is not None and change.new.metadata.name == self._node:
            addresses = self._view.node_addresses(self._node)
            if self._target is not None:
                self._target.use(addresses, change.new)
            links = self._find_links(addresses)
            concerned |= frozenset(self._view.addresses) if links != self._links else frozenset()
            self._links = links
        self._touch(concerned)
        if concerned:
            self.electorate_changed.set()

    def _touch(self, addresses: frozenset[IPAddress]) -> None:
        if not addresses:
            return
        self.needed.set()
        for one in self.reconcilers:
            one.touch(*addresses)

    def _derive_proxies(self, address: IPAddress) -> Iterator[ProxyRow]:
        electorate = self.heartbeats.living(self._view.electorate(address))
        elected = self._elections.elected(address, electorate)
        return proxy_rows(address, self._links) if elected == self._node else iter(())

    def _derive_routes(self, address: IPAddress) -> Iterator[RouteRow]:
        return route_rows(address, self._node, self._view.electorate(address))
