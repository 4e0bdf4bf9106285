"""The DaemonSet controller: one pod on each matching node."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podwire.controllers.machinery.pod_control import OwnedPods
from podwire.controllers.machinery.status_patch import COLLISIONS, whole
from podwire.controllers.workloads import daemonset_plan
from podwire.controllers.workloads.controller_history import ControllerHistory
from podwire.controllers.workloads.controller_revisions import HASH_LABEL
from podwire.controllers.workloads.replicaset_plan import name_prefix, next_available
from podwire.kube.cache import changed_key
from podwire.kube.kinds import DAEMON_SETS, NODES
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.kube.apps import DaemonSet
    from podwire.kube.client import Client
    from podwire.kube.core import Node
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change


class DaemonSets:
    """Follows DaemonSets, their pods and revisions, and nodes."""

    def __init__(self, client: Client, informers: SharedInformers, recorder: Recorder) -> None:
        self._client = client
        self._sets = informers.of(DAEMON_SETS)
        self._nodes = informers.of(NODES)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("daemonsets", self.sync)
        self._pods = OwnedPods(
            client, informers, recorder, DAEMON_SETS, lambda item: item.spec.selector, self._queue.add
        )
        self._revisions = ControllerHistory(client, informers, DAEMON_SETS, self._sets)
        self._sets.subscribe(lambda change: self._queue.add(changed_key(change)))
        self._nodes.subscribe(self._node_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Take the next step for one set."""
        daemon_set = self._sets.objects.get(key)
        if daemon_set is None:
            return
        pods = await self._pods.claim(daemon_set)
        if daemon_set.metadata.deletion_timestamp is not None:
            return
        revision = (await self._revisions.current(daemon_set)).metadata.labels[HASH_LABEL]
        now = datetime.now(UTC)
        plan = daemonset_plan.plan(daemon_set, pods, self._all_nodes, revision, now)
        try:
            await self._pods.delete(daemon_set, plan.delete)
            names = self._pods.names(daemon_set, [name_prefix(daemon_set)] * len(plan.create))
            pairs = zip(plan.create, names, strict=True)
            bodies = [daemonset_plan.pod_body(daemon_set, node, name, revision) for node, name in pairs]
            await self._pods.create(daemon_set, bodies)
        finally:
            await self._write_status(daemon_set, revision, now)
        pods = self._pods.of(daemon_set)
        used = {revision, *(pod.metadata.labels.get(HASH_LABEL, "") for pod in pods)}
        await self._revisions.prune(daemon_set, used)
        again = next_available(pods, daemon_set.spec.min_ready_seconds, now)
        if again is not None:
            self._queue.add(key, again)

    @property
    def _all_nodes(self) -> list[Node]:
        return sorted(self._nodes.objects.values(), key=lambda node: node.metadata.name)

    def _node_changed(self, change: Change[Node]) -> None:
        """Queue all sets when something changed that a plan reads: heartbeats do not count."""
        if change.old is not None and change.new is not None and _seen(change.old) == _seen(change.new):
            return
        for key in self._sets.objects:
            self._queue.add(key)

    async def _write_status(self, daemon_set: DaemonSet, revision: str, now: datetime) -> None:
        desired = daemonset_plan.status(daemon_set, self._pods.of(daemon_set), self._all_nodes, revision, now)
        if desired != daemon_set.status:
            body = {"status": whole(desired, unless_zero=COLLISIONS)}
            self._sets.wrote(await self._client.patch(DAEMON_SETS, daemon_set.key, body, "status"))


def _seen(node: Node) -> tuple[object, ...]:
    return node.metadata.labels, node.spec.taints, node.metadata.deletion_timestamp
