"""The node controller: a node whose Lease is not renewed is unreachable; its taints evict pods."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from podwire.controllers.machinery.deletion import ALREADY_GONE, delete
from podwire.controllers.machinery.pod_control import every
from podwire.controllers.nodes import health
from podwire.controllers.nodes.health import NodeHealth, NodeState
from podwire.controllers.nodes.lease_silence import LATE, LeaseSilence
from podwire.kube.cache import Index
from podwire.kube.client import ApiError
from podwire.kube.coordination import NODE_LEASES
from podwire.kube.kinds import LEASES, NODES, PODS
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.coordination import Lease
    from podwire.kube.core import Node, Pod
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change


class Clock(msgspec.Struct, frozen=True):
    """The time of day, for timestamps, and a monotonic clock in seconds, for durations."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class NodeLifecycle:
    """Follows nodes, their Leases and their pods.

    A renewal counts from when it is received here, so that clocks of machines need not agree. A node that never had a
    Lease is not judged: it is an object without a machine. Pods of a node that was deleted are deleted too.
    """

    def __init__(
        self,
        client: Client,
        informers: SharedInformers,
        recorder: Recorder,
        settings: NodeHealth = NodeHealth(),  # noqa: B008 - immutable
        clock: Clock = Clock(),  # noqa: B008 - immutable
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._settings = settings
        self._grace = settings.grace_seconds
        self._clock = clock
        self._nodes = informers.of(NODES)
        self._pods = informers.of(PODS)
        self._leases = informers.of(LEASES)
        self._pods_by_node = Index(self._pods, lambda pod: [pod.spec.node_name] if pod.spec.node_name else [])
        self._silence = LeaseSilence(settings.grace_seconds)
        self._gone: dict[str, float] = {}
        self._queue: WorkQueue[str] = WorkQueue("nodes", self.sync)
        self._leases.subscribe(self._lease_changed)
        self._nodes.subscribe(self._node_changed)
        self._pods.subscribe(self._pod_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, name: str) -> None:
        """Update the taints, conditions and pods of one node."""
        node = self._nodes.objects.get(NamespacedName("", name))
        if node is None:
            await self._collect(name)
            return
        self._gone.pop(name, None)
        now = self._clock.now()
        silent = await self._is_silent(name)
        state = health.state_of(node, now, silent=silent, grace_seconds=self._grace)
        node = await self._mark(node, state, now)
        if state is NodeState.UNREACHABLE:
            await every(self._make_unready(pod, now) for pod in self._on(name))
        plan = health.evictions(node, state, self._on(name), now, self._settings.force_seconds)
        await every(self._evict(pod) for pod in plan.delete)
        await every(self._remove(pod, "PodGC: node is unreachable") for pod in plan.force)
        waits = [plan.again_after] if plan.again_after is not None else []
        if state is NodeState.UNREACHABLE and plan.delete and self._settings.force_seconds is not None:
            waits.append(self._settings.force_seconds)
        elif (next_read := self._silence.next_read(name, self._clock.monotonic())) is not None:
            waits.append(max(0.01, next_read))
        if state is NodeState.UNREACHABLE and not health.evicts(node):
            waits.append(self._grace * LATE)  # until another node renews its Lease
        unready = health.unready_for(node, now)
        if state is not NodeState.UNREACHABLE and unready is not None:
            limits = (self._grace, self._settings.unready_seconds)
            waits += [max(0.01, limit - unready) for limit in limits if limit > unready]
        if waits:
            self._queue.add(name, min(waits))

    def _on(self, name: str) -> list[Pod]:
        return list(self._pods_by_node[name].values())

    async def _is_silent(self, name: str) -> bool:
        """Return whether the node counts as dead; read its Lease where it is late. Raises what the client raises."""
        if self._silence.next_read(name, self._clock.monotonic()) == 0:
            try:
                lease = await self._client.get(LEASES, NamespacedName(NODE_LEASES, name))
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                if not isinstance(error, ApiError) or error.reason != "NotFound":
                    self._silence.not_answered(name, self._clock.monotonic())
                    raise
                self._silence.not_renewed(name, self._clock.monotonic())
            else:
                if not self._silence.renew(name, lease.spec.renew_time, self._clock.monotonic()):
                    self._silence.not_renewed(name, self._clock.monotonic())
        return self._silence.silent(name)

    async def _mark(self, node: Node, state: NodeState, now: datetime) -> Node:
        if state is NodeState.UNREACHABLE and any(c.status != "Unknown" for c in node.status.conditions):
            patch = health.silence(node, self._settings.silence, now)
            node = self._nodes.wrote(await self._client.patch(NODES, node.key, patch, "status"))
            message = f"Node {node.metadata.name} status is now: NodeNotReady"
            self._recorder.event(NODES, node, "NodeNotReady", message, warning=True)
        desired = health.taints(node, state, now, evict=self._evicts(node, state, now))
        if [_core(taint) for taint in desired] == [(t.key, t.effect, t.value) for t in node.spec.taints]:
            return node
        version = node.metadata.resource_version
        body = {"metadata": {"resourceVersion": version}, "spec": {"taints": desired or None}}
        return self._nodes.wrote(await self._client.patch(NODES, node.key, body))

    def _evicts(self, node: Node, state: NodeState, now: datetime) -> bool:
        """Return whether pods leave the node: it is dead or has not been ready for long, and others are well."""
        unready = health.unready_for(node, now) or 0.0
        if state is NodeState.NOT_READY and unready < self._settings.unready_seconds:
            return False
        clock = self._clock.monotonic()
        return any(self._silence.renewing(key.name, clock) for key in self._nodes.objects)

    async def _make_unready(self, pod: Pod, now: datetime) -> None:
        patch = health.unready(pod, now)
        if patch is not None:
            self._pods.wrote(await self._client.patch(PODS, pod.key, patch, "status"))

    async def _collect(self, name: str) -> None:
        """Remove the pods of a deleted node, unless it is created again within the grace period."""
        since = self._gone.setdefault(name, self._clock.monotonic())
        pods = self._on(name)
        if not pods:
            self._gone.pop(name)
        elif (left := since + self._grace - self._clock.monotonic()) > 0:
            self._queue.add(name, left)
        else:
            await every(self._remove(pod, "PodGC: node no longer exists") for pod in pods)

    async def _evict(self, pod: Pod) -> None:
        """Delete a pod that does not tolerate a taint; its node ends it."""
        await self._disrupt(pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")
        await delete(self._client, PODS, self._pods, pod)
        self._recorder.event(PODS, pod, "TaintManagerEviction", f"Marking for deletion Pod {pod.key}")

    async def _remove(self, pod: Pod, message: str) -> None:
        """Remove a pod that no node can end."""
        await self._disrupt(pod, "DeletionByPodGC", message, failed=True)
        await delete(self._client, PODS, self._pods, pod, grace_seconds=0)

    async def _disrupt(self, pod: Pod, reason: str, message: str, *, failed: bool = False) -> None:
        patch = health.disrupted(pod, reason, message, self._clock.now(), failed=failed)
        try:
            self._pods.wrote(await self._client.patch(PODS, pod.key, patch, "status"))
        except ApiError as error:
            if error.reason not in ALREADY_GONE:
                raise

    def _lease_changed(self, change: Change[Lease]) -> None:
        lease = change.new
        if lease is None or lease.metadata.namespace != NODE_LEASES:
            return
        if self._silence.renew(lease.metadata.name, lease.spec.renew_time, self._clock.monotonic()):
            self._queue.add(lease.metadata.name)

    def _node_changed(self, change: Change[Node]) -> None:
        node = change.new or change.old
        if node is not None:
            self._queue.add(node.metadata.name)

    def _pod_changed(self, change: Change[Pod]) -> None:
        for pod in (change.old, change.new):
            if pod is not None and pod.spec.node_name and self._has_taints(pod.spec.node_name):
                self._queue.add(pod.spec.node_name)

    def _has_taints(self, name: str) -> bool:
        """Return whether changes of the node's pods matter: it is deleted or has taints."""
        node = self._nodes.objects.get(NamespacedName("", name))
        return node is None or bool(node.spec.taints)


def _core(taint: dict[str, Any]) -> tuple[str, str, str]:
    return taint["key"], taint["effect"], taint.get("value", "")
