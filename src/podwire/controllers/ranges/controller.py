"""The pod range allocator: gives each Node without podCIDRs ranges of its pools.

For clusters whose kube-controller-manager does not (`--allocate-node-cidrs=false`). podCIDRs are written once and never
changed: the API allows no more. Source: k8s.io/kubernetes `pkg/controller/nodeipam/ipam/range_allocator.go`.
"""

from __future__ import annotations

import ipaddress
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from podwire.controllers.ranges.ledger import RangeError, RangeLedger
from podwire.kube.cache import changed_key
from podwire.kube.client import STRATEGIC_MERGE_PATCH, ApiError
from podwire.kube.conditions import with_condition
from podwire.kube.kinds import NODES
from podwire.kube.meta import Condition, NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from podwire.kube.client import Client
    from podwire.kube.core import Node
    from podwire.kube.pod_pools import IPNetwork, PodPool
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

log = logging.getLogger(__name__)

NAME = "podwire-range-allocator"
CONDITION = "podwire.dev/PodRangesAvailable"
"""A condition of Nodes; only those have it that could not get ranges once."""


class PodRangeController:
    """Follows Nodes. Raises PoolError for pools that overlap."""

    def __init__(
        self, client: Client, informers: SharedInformers, recorder: Recorder, pools: Sequence[PodPool]
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._pools = pools
        self._ledger = RangeLedger(pools)
        self._nodes = informers.of(NODES)
        self._waiting: set[NamespacedName] = set()
        self._queue: WorkQueue[NamespacedName] = WorkQueue("pod ranges", self.sync)
        self._nodes.subscribe(self._node_changed)

    @property
    def free(self) -> Mapping[str, int]:
        """How many ranges of nodes are left, by range of a pool."""
        return self._ledger.free()

    async def run(self) -> None:
        """Handle changes until cancelled. All Nodes must be known before: what they have is never given to another."""
        self._ledger = RangeLedger(self._pools)
        for node in sorted(self._nodes.objects.values(), key=_age):
            self._take_over(node)
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Give one Node its ranges, or take those of a Node that is gone."""
        node = self._nodes.objects.get(key)
        if node is None:
            self._waiting.discard(key)
            if self._ledger.release(key.name):
                log.info("the ranges of node %s are free again", key.name)
                for waiting in self._waiting:
                    self._queue.add(waiting)
            return
        if not pod_ranges(node):
            await self._assign(node)
        elif self._take_over(node):
            self._waiting.discard(key)
            await self._write_condition(node, "True", "Assigned", "the node has its ranges")

    async def _assign(self, node: Node) -> None:
        try:
            ranges = self._ledger.claim(node.metadata.name, node.metadata.labels)
        except RangeError as error:
            await self._refuse(node, error)
            return
        texts = [str(network) for network in ranges]
        body = {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": texts[0], "podCIDRs": texts}}
        # The ranges remain the node's where this fails: the server may have written them all the same.
        node = self._nodes.wrote(await self._client.patch(NODES, node.key, body))
        self._waiting.discard(node.key)
        log.info("node %s gets the ranges %s", node.metadata.name, ", ".join(texts))
        await self._write_condition(node, "True", "Assigned", "the node has its ranges")

    async def _refuse(self, node: Node, error: RangeError) -> None:
        """Report why a node gets no ranges; it is tried again when another Node goes, or its labels change."""
        if node.key not in self._waiting:
            log.error("node %s: %s", node.metadata.name, error)
            self._recorder.event(NODES, node, error.reason, str(error), warning=True)
        self._waiting.add(node.key)
        await self._write_condition(node, "False", error.reason, str(error))

    def _take_over(self, node: Node) -> bool:
        """Record what a Node has, and report once who has a part of it too; whether it has ranges."""
        name, ranges = node.metadata.name, pod_ranges(node)
        if not ranges or self._ledger.ranges(name) == ranges:
            return bool(ranges)
        others = self._ledger.hold(name, ranges)
        if others:
            message = (
                f"the podCIDRs {', '.join(map(str, ranges))} overlap those of {', '.join(others)}: delete one of these "
                "Nodes and let its kubelet register again"
            )
            log.error("node %s: %s", name, message)
            self._recorder.event(NODES, node, "PodRangesOverlap", message, warning=True)
        return True

    async def _write_condition(self, node: Node, status: str, reason: str, message: str) -> None:
        """Set the condition; one without a problem only where there was one.

        Other conditions are not touched: a Node's have fields that podwire does not read.
        """
        before = next((one for one in node.status.conditions if one.type == CONDITION), None)
        if (before is None and status == "True") or (before and (before.status, before.message) == (status, message)):
            return
        new = Condition(type=CONDITION, status=status, reason=reason, message=message)
        (stamped,) = with_condition(() if before is None else (before,), new, datetime.now(UTC))
        body = {"metadata": {"uid": node.metadata.uid}, "status": {"conditions": [msgspec.to_builtins(stamped)]}}
        try:
            written = await self._client.patch(NODES, node.key, body, "status", STRATEGIC_MERGE_PATCH)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            return
        self._nodes.wrote(written)

    def _node_changed(self, change: Change[Node]) -> None:
        self._queue.add(changed_key(change))


def pod_ranges(node: Node) -> tuple[IPNetwork, ...]:
    """The ranges in a Node's spec, IPv4 first; a text that is no range is left out."""
    texts = node.spec.pod_cidrs or tuple(filter(None, [node.spec.pod_cidr]))
    return tuple(sorted(_parsed(texts), key=lambda network: network.version))


def _parsed(texts: Sequence[str]) -> Iterator[IPNetwork]:
    for text in texts:
        try:
            yield ipaddress.ip_network(text, strict=False)
        except ValueError:
            log.warning("a podCIDR %r is no range", text)


def _age(node: Node) -> tuple[str, str]:
    return node.metadata.creation_timestamp or "", node.metadata.name
