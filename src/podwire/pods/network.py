"""The pods' network of one node, put together: what an agent constructs, feeds with Nodes and runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from podwire.engine.reconcile import Reconciler
from podwire.kernel.netlink import Netlink
from podwire.kernel.sysctl_record import SysctlRecord
from podwire.kube.core import Node
from podwire.kube.watch import Change
from podwire.pods import links
from podwire.pods.addresses import Ranges
from podwire.pods.attachment import Attachment, Gate
from podwire.pods.model import Cluster, NodeNetwork, pod_mtu, read_node
from podwire.pods.node_routes import NodeRouteSink, remove_tunnel
from podwire.pods.operations import GATE_SECONDS, PodOperations
from podwire.pods.ready_mark import ReadyMark
from podwire.pods.rows import NodeRouteRow, SetRow, cluster_rows, node_rows, own_routes, peer_routes
from podwire.pods.server import Server
from podwire.pods.sink import PodSetSink
from podwire.pods.store import Store
from podwire.pods.uplink import Uplink, find_uplink

log = logging.getLogger(__name__)

_CLUSTER_OWNER = ""
"""The owner of rows that belong to no Node; a Node's name is never empty."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One node's place in the cluster, and its files: the CNI socket, the store of addresses, the changed sysctls."""

    node: str
    cluster: Cluster
    socket: Path
    store: Path
    sysctls: SysctlRecord
    gate_seconds: float = GATE_SECONDS


class PodNetwork:
    """Serves CNI, and keeps routes and rules. Make and run it in the node's network namespace.

    Subscribe `node_changed` to an informer of Nodes and call `nodes_complete` once it is synced. Nothing else is
    needed: pods are known by their attachments.
    """

    def __init__(self, settings: Settings, gate: Gate) -> None:
        self._settings = settings
        self._nodes: dict[str, NodeNetwork] = {}
        self._uplink: Uplink | None = None
        self._store = Store(settings.store)
        overlay = settings.cluster.overlay is not None
        sources = PodSetSink.sources_here(overlay=overlay)
        self._operations = PodOperations(
            self._store, sources, gate, lambda: self._uplink, ReadyMark(settings.socket), settings.gate_seconds
        )
        self._members: Reconciler[str, SetRow] = Reconciler(
            "rules of pods", self._derive_members, PodSetSink.cluster_here(overlay=overlay)
        )
        self._routes: Reconciler[str, NodeRouteRow] = Reconciler("routes to pods", self._derive_routes, NodeRouteSink())

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return (self._members, self._routes)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """All pods of this node that have their network, also from before a restart."""
        return self._operations.attachments

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
        self._members.touch(_CLUSTER_OWNER)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._operations.run())
            tasks.create_task(self._members.run())
            await self._members.settle()
            tasks.create_task(self._routes.run())  # the tunnel only after the rules that guard it
            await self._operations.restore()
            tasks.create_task(Server(self._settings.socket, self._operations).run())
            tasks.create_task(self._operations.keep_mark())

    def node_changed(self, change: Change[Node]) -> None:
        """Hear of a Node that is new, changed or gone."""
        gone = change.new is None
        node = change.old if change.new is None else change.new
        assert node is not None, "a change has an object before or after it"
        network, faults = read_node(node, self._settings.cluster)
        name = network.name
        if not gone and self._nodes.get(name) == network:
            return
        for fault in faults:
            log.warning("%s; it is left out", fault)
        if gone:
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = network
        if name == self._settings.node:
            self._own_changed(network)
        self._members.touch(name)
        self._routes.touch(name)

    def nodes_complete(self) -> None:
        """Record that all Nodes have been received once: from now on routes and rules of no Node are removed."""
        self._members.inputs_synced()
        self._routes.inputs_synced()

    async def settle(self) -> None:
        """Wait until all changes received before this call are in the kernel."""
        await self._members.settle()
        await self._routes.settle()

    def _own_changed(self, own: NodeNetwork) -> None:
        """Take over the ranges and addresses of this node itself: they are in every row that leads to a peer."""
        if not own.ranges or not own.addresses:
            return
        self._store.use(Ranges(own.ranges))
        with Netlink() as netlink:
            uplink = find_uplink(netlink, own.addresses)
        self._uplink = msgspec.structs.replace(uplink, mtu=pod_mtu(uplink.mtu, own, self._settings.cluster.overlay))
        self._operations.node_known()
        self._routes.touch(*self._nodes)

    def _derive_members(self, owner: str) -> Iterator[SetRow]:
        if owner == _CLUSTER_OWNER:
            return cluster_rows(self._settings.cluster)
        node = self._nodes.get(owner)
        return node_rows(node, self._settings.node, self._settings.cluster) if node else iter(())

    def _derive_routes(self, name: str) -> Iterator[NodeRouteRow]:
        own, node = self._nodes.get(self._settings.node), self._nodes.get(name)
        if own is None or node is None or self._uplink is None:
            return iter(())
        if name != own.name:
            return peer_routes(node, own, self._settings.cluster)
        return own_routes(own, self._settings.cluster, self._uplink.mtu)
