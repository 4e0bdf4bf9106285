"""The pods' network of one node, put together: what an agent constructs, feeds with Nodes and runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from podwire.engine.reconcile import Reconciler
from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import IPAddress
from podwire.kernel.netlink import Netlink
from podwire.kernel.sysctl_record import SysctlRecord
from podwire.kube.core import Namespace, Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.watch import Change
from podwire.pods import links
from podwire.pods.addresses import Ranges
from podwire.pods.advice import NodeAdvice
from podwire.pods.attachment import Attachment, Gate
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, NodeNetwork, pod_mtu, read_node
from podwire.pods.node_routes import NodeRouteSink, remove_tunnel
from podwire.pods.operations import GATE_SECONDS, PodOperations
from podwire.pods.rows import NodeRouteRow
from podwire.pods.runtime.ready_mark import ReadyMark
from podwire.pods.runtime.requests import CniRequests
from podwire.pods.runtime.server import Server
from podwire.pods.sink import PodSetSink
from podwire.pods.store import Store
from podwire.pods.uplink import Uplink
from podwire.pods.uplink_reader import find_uplink, router
from podwire.pods.uplink_watch import UplinkWatch
from podwire.pods.view import CLUSTER, SERVERS, NetworkView

log = logging.getLogger(__name__)


class Settings(msgspec.Struct, frozen=True):
    """One node's place in the cluster, and its files: the CNI socket, the store of addresses, the changed sysctls."""

    node: str
    cluster: Cluster
    socket: Path
    store: Path
    sysctls: SysctlRecord
    gate_seconds: float = GATE_SECONDS


class PodNetwork:
    """Serves CNI, and keeps routes and rules. Make and run it in the node's network namespace.

    Subscribe `node_changed` to an informer of Nodes and call `nodes_complete` once it is synced, and `slice_changed` to
    one of EndpointSlices with `slices_complete`; with pools of namespaces also `namespace_changed`. Nothing else is
    needed: pods are known by their attachments.
    """

    def __init__(self, settings: Settings, gate: Gate) -> None:
        self._settings = settings
        self._view = NetworkView(settings.node, settings.cluster, router)
        self._store = Store(settings.store)
        overlay = settings.cluster.overlay is not None
        sources = PodSetSink.sources_here(overlay=overlay)
        self._operations = PodOperations(
            self._store,
            sources,
            gate,
            lambda: self._view.uplink,
            settings.cluster,
            ReadyMark(settings.socket),
            settings.gate_seconds,
        )
        self._watch = UplinkWatch(self._reread_uplink, self._operations.follow)
        self._members: Reconciler[str, ElementRow] = Reconciler(
            "rules of pods", self._view.members, PodSetSink.cluster_here(overlay=overlay)
        )
        self._routes: Reconciler[str, NodeRouteRow] = Reconciler(
            "routes to pods", self._view.routes, NodeRouteSink(), rank=self._view.rank
        )
        self._missing = {"Nodes", "EndpointSlices"}
        self._advice = NodeAdvice(settings.node)
        self.requests = CniRequests()
        self.uplink_changed: Callable[[], object] = lambda: None
        """Called when `uplink` is another one."""

    @property
    def uplink(self) -> Uplink | None:
        """The way to other nodes; None while the node's addresses are not known."""
        return self._view.uplink

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return (self._operations.reconciler, self._members, self._routes)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """All pods of this node that have their network, also from before a restart."""
        return self._operations.attachments

    def namespaces(self) -> dict[IPAddress, str]:
        """Return the path of the network namespace of each address of this node's pods."""
        return {address: each.netns for each in self.attachments for address in each.addresses}

    def rows(self) -> Iterator[str]:
        """Return all rows that the kernel should hold, and those that it refuses, as text."""
        yield from self._operations.rows()
        yield from self._members.lines()
        yield from self._routes.lines()

    async def run(self) -> None:
        """Serve until cancelled. Pods keep their network when it ends."""
        links.prepare_node(self._settings.sysctls.write)
        if self._settings.cluster.overlay is None:
            remove_tunnel()
        self._members.touch(CLUSTER)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._operations.run())
            tasks.create_task(self._members.run())
            await self._members.settle()
            tasks.create_task(self._routes.run())  # the tunnel only after the rules that guard it
            await self._operations.restore()
            tasks.create_task(self._watch.run())
            tasks.create_task(self._advice.run())
            tasks.create_task(Server(self._settings.socket, self._operations, self.requests).run())
            tasks.create_task(self._operations.keep_mark())

    def node_changed(self, change: Change[Node]) -> None:
        """Take over a Node that is new, changed or gone."""
        gone = change.new is None
        node = change.item
        network, faults = read_node(node, self._settings.cluster)
        name = network.name
        if not gone and self._view.nodes.get(name) == network:
            return
        for fault in faults:
            log.warning("%s; it is left out", fault)
        if gone:
            self._view.nodes.pop(name, None)
        else:
            self._view.nodes[name] = network
        if name == self._settings.node:
            self._own_changed(network)
        else:
            self._advice.peer_changed(name, self._view, self._settings.cluster)
        self._members.touch(name)
        self._routes.touch(name)

    def nodes_complete(self) -> None:
        """Record that all Nodes have been received once: from now on routes and rules of no Node are removed."""
        self._routes.inputs_synced()
        self._complete("Nodes")
        self._advice.nodes_complete(self._view, self._settings.cluster)

    def namespace_changed(self, change: Change[Namespace]) -> None:
        """Take over a namespace, whose label names the pool of its pods."""
        self._operations.pools.namespace_changed(change)

    def slice_changed(self, change: Change[EndpointSlice]) -> None:
        """Take over the API servers' addresses where this is their EndpointSlice."""
        found = change.item
        if self._view.slice_changed((found.metadata.namespace, found.metadata.name), change.new):
            self._members.touch(SERVERS)

    def slices_complete(self) -> None:
        """Record that all EndpointSlices have been received once."""
        self._complete("EndpointSlices")

    async def settle(self) -> None:
        """Wait until all changes received before this call are in the kernel."""
        await self._members.settle()
        await self._routes.settle()

    def _complete(self, kind: str) -> None:
        self._missing.discard(kind)
        if not self._missing:
            self._members.inputs_synced()

    def _own_changed(self, own: NodeNetwork) -> None:
        """Take over the ranges and addresses of this node itself: they are in every row that leads to a peer."""
        self._advice.own_changed(self._view.own, self._settings.cluster)
        if own.ranges:
            self._store.use(Ranges(own.ranges))
        has = {pool.name: pool.ranges for pool in own.pools}
        for pool in self._settings.cluster.pools:
            if pool.name in has:
                self._store.use(Ranges(has[pool.name]), pool.name)
            else:
                self._store.disuse(pool.name)
        self._watch.look()

    def _reread_uplink(self, *, doubtful: bool = False, rerouted: bool = False) -> bool:
        own = self._view.own
        if own is None or not own.addresses:
            return False
        cluster = self._settings.cluster
        with Netlink() as netlink:
            found = find_uplink(netlink, own.addresses)
        mtu = pod_mtu(cluster.underlay_mtu or found.mtu, own, cluster.overlay)
        uplink = msgspec.structs.replace(found, mtu=mtu)
        before, self._view.uplink = self._view.uplink, uplink
        if own.ranges or cluster.mode is Mode.NONE:
            self._operations.node_known()
        if doubtful:
            self._routes.read_again()
        if doubtful or uplink != before or (rerouted and cluster.mode is Mode.ROUTED):
            self._routes.touch(*self._view.nodes)
        if uplink != before:
            self.uplink_changed()
            self._members.touch(*self._view.nodes)
            if before is not None:
                log.info("the uplink has changed: mtu of pods %d, addresses %s", mtu, _texts(uplink.addresses))
        return doubtful or uplink != before


def _texts(addresses: Iterable[IPAddress]) -> str:
    return ", ".join(map(str, addresses)) or "none"
