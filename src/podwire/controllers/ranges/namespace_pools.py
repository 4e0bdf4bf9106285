"""Gives each Node a range of each pool of namespaces: into an annotation, as podCIDRs admit one range of each family.

The Nodes are the only memory. A range stays the node's as long as its Node exists: pods may have addresses of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from podwire.controllers.ranges.ledger import RangeError, RangeLedger
from podwire.kube.cache import changed_key
from podwire.kube.kinds import NODES
from podwire.kube.pod_pools import ANNOTATION, annotation, ranges_by_pool
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from podwire.kube.client import Client
    from podwire.kube.core import Node
    from podwire.kube.meta import NamespacedName
    from podwire.kube.pod_pools import IPNetwork, NamespacePool
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

log = logging.getLogger(__name__)

NAME = "podwire-namespace-pools"


class NamespacePoolController:
    """Follows Nodes. Raises PoolError for a pool of which two ranges overlap."""

    def __init__(
        self, client: Client, informers: SharedInformers, recorder: Recorder, pools: Sequence[NamespacePool]
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._pools = pools
        self._ledgers = self._empty()
        self._nodes = informers.of(NODES)
        self._refused: set[tuple[NamespacedName, str]] = set()
        """Nodes and the pools of which they have no range, as none is left."""
        self._foreign: dict[tuple[NamespacedName, str], tuple[IPNetwork, ...]] = {}
        """Nodes with ranges of a pool that are not those of one node: the pool was another before."""
        self._queue: WorkQueue[NamespacedName] = WorkQueue("pools of namespaces", self.sync)
        self._nodes.subscribe(self._node_changed)

    @property
    def free(self) -> Mapping[str, int]:
        """How many ranges of nodes are left, by range of a pool."""
        return {network: count for ledger in self._ledgers.values() for network, count in ledger.free().items()}

    async def run(self) -> None:
        """Handle changes until cancelled. All Nodes must be known before: what they have is never given to another."""
        self._ledgers = self._empty()
        for node in sorted(self._nodes.objects.values(), key=lambda one: one.metadata.creation_timestamp or ""):
            self._take_over(node)
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Give one Node what it lacks, or take the ranges of a Node that is gone."""
        node = self._nodes.objects.get(key)
        if node is None:
            self._release(key)
            return
        found = self._take_over(node)
        lacking = [pool for pool in self._pools if pool.name not in found and pool.pool.serves(node.metadata.labels)]
        given = {pool.name: ranges for pool in lacking if (ranges := self._claim(node, pool))}
        if given:
            # The ranges remain the node's where this fails: the server may have written them all the same.
            value = annotation({**found, **given})
            body = {"metadata": {"uid": node.metadata.uid, "annotations": {ANNOTATION: value}}}
            self._nodes.wrote(await self._client.patch(NODES, key, body))
            log.info("node %s has the ranges %s of pools of namespaces", key.name, value)

    def _empty(self) -> dict[str, RangeLedger]:
        return {pool.name: RangeLedger((pool.pool,)) for pool in self._pools}

    def _claim(self, node: Node, pool: NamespacePool) -> tuple[IPNetwork, ...]:
        """A range of the pool; without one that is left none, and an event: it is tried again when a Node goes."""
        place = (node.key, pool.name)
        try:
            ranges = self._ledgers[pool.name].claim(node.metadata.name, node.metadata.labels)
        except RangeError:
            if place not in self._refused:
                message = (
                    f"no range is left in namespace pool {pool}: pods of its namespaces get no network on this node. "
                    "Delete Nodes that no longer exist, or let fewer nodes have the pool (@LABEL=VALUE)"
                )
                log.warning("node %s: %s", node.metadata.name, message)
                self._recorder.event(NODES, node, "NamespacePoolExhausted", message, warning=True)
            self._refused.add(place)
            return ()
        self._refused.discard(place)
        return ranges

    def _take_over(self, node: Node) -> Mapping[str, tuple[IPNetwork, ...]]:
        """Record the ranges that a Node has, and report once who has one of them too; return them by pool."""
        found, name = {}, node.metadata.name
        given = ranges_by_pool(node.metadata.annotations)
        for pool in self._pools:
            ranges, rest = pool.accepted(given.get(pool.name, ()))
            foreign = pool.overlapping(rest)
            self._report_foreign(node, pool, foreign)
            if not ranges and not foreign:
                continue
            found[pool.name] = (*ranges, *foreign)
            others = self._ledgers[pool.name].hold(name, found[pool.name])
            if others:
                message = (
                    f"the ranges {', '.join(map(str, found[pool.name]))} of namespace pool {pool.name} are those of "
                    f"{', '.join(others)} too: drain one of these nodes and remove its annotation {ANNOTATION}"
                )
                log.error("node %s: %s", name, message)
                self._recorder.event(NODES, node, "PodRangesOverlap", message, warning=True)
        return found

    def _report_foreign(self, node: Node, pool: NamespacePool, foreign: tuple[IPNetwork, ...]) -> None:
        """Report once what agents do not accept. The node keeps it until it is removed: pods may have its addresses."""
        place = (node.key, pool.name)
        known = self._foreign.pop(place, ())
        if not foreign:
            if known:
                self._ledgers[pool.name].release(node.metadata.name)
            return
        self._foreign[place] = foreign
        if foreign != known:
            message = (
                f"{', '.join(map(str, foreign))} is no range of a node in namespace pool {pool}: agents do not use it."
                f" Drain this node and remove its annotation {ANNOTATION}"
            )
            log.error("node %s: %s", node.metadata.name, message)
            self._recorder.event(NODES, node, "NamespacePoolMismatch", message, warning=True)

    def _release(self, key: NamespacedName) -> None:
        released = [ledger.release(key.name) for ledger in self._ledgers.values()]
        waiting = {node for node, _ in self._refused if node != key}
        self._refused = {place for place in self._refused if place[0] != key}
        self._foreign = {place: found for place, found in self._foreign.items() if place[0] != key}
        for node in waiting if any(released) else ():
            self._queue.add(node)

    def _node_changed(self, change: Change[Node]) -> None:
        self._queue.add(changed_key(change))
