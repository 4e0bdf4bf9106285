"""The scheduler: binds pods to nodes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podwire.controllers.nodes.node_selection import Loads, Placed, place
from podwire.kube.cache import controller_uid
from podwire.kube.client import ApiError
from podwire.kube.host_ports import host_ports
from podwire.kube.kinds import NODES, PODS
from podwire.kube.meta import NamespacedName, timestamp
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from typing import Any

    from podwire.kube.client import Client
    from podwire.kube.core import Node, Pod
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

NAME = "default-scheduler"


class Scheduler:
    """Follows pods and nodes. A choice is counted at once; the requests run concurrently."""

    def __init__(self, client: Client, informers: SharedInformers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._pods = informers.of(PODS)
        self._nodes = informers.of(NODES)
        self._loads = Loads()
        self._waiting: set[NamespacedName] = set()
        self._queue: WorkQueue[NamespacedName] = WorkQueue("scheduler", self.sync, workers=32)
        self._pods.subscribe(self._pod_changed)
        self._nodes.subscribe(self._node_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Bind one pod, or report why it does not fit any node."""
        pod = self._pods.objects.get(key)
        if pod is None or not _wants_node(pod) or self._loads.node_of(pod.metadata.uid):
            self._waiting.discard(key)
            return
        owner = controller_uid(pod)
        choice = place(pod, owner, self._nodes.objects.values(), self._loads)
        if isinstance(choice, Placed):
            await self._bind(pod, owner, choice.node)
            self._waiting.discard(key)
        else:
            self._waiting.add(key)
            await self._report(pod, choice.message)

    def _pod_changed(self, change: Change[Pod]) -> None:
        old, new = change.old, change.new
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._remove(old)
        if new is None:
            return
        if new.finished:
            self._remove(new)
        elif new.spec.node_name:
            self._loads.add(new.metadata.uid, controller_uid(new), new.spec.node_name, host_ports(new))
        elif _wants_node(new):
            self._queue.add(new.key)

    def _remove(self, pod: Pod) -> None:
        if self._loads.remove(pod.metadata.uid):
            self._retry_waiting()

    def _retry_waiting(self) -> None:
        """Queue all pods without a node, those of the highest priority first."""
        waiting = [pod for key in self._waiting if (pod := self._pods.objects.get(key)) is not None]
        for pod in sorted(waiting, key=lambda pod: (-pod.spec.priority, pod.metadata.creation_timestamp or "")):
            self._queue.add(pod.key)

    def _node_changed(self, change: Change[Node]) -> None:
        """Retry when something changed that a placement reads: heartbeats do not count."""
        if change.new is None or (change.old is not None and _offer(change.old) == _offer(change.new)):
            return
        self._retry_waiting()

    async def _bind(self, pod: Pod, owner: str, node: str) -> None:
        uid = pod.metadata.uid
        self._loads.add(uid, owner, node, host_ports(pod))
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": pod.metadata.name, "namespace": pod.metadata.namespace, "uid": uid},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._client.create_subresource(PODS, pod.key, "binding", body)
        except BaseException as error:
            current = self._pods.objects.get(pod.key)
            if current is None or current.metadata.uid != uid or not current.spec.node_name:
                self._loads.remove(uid)
            if isinstance(error, ApiError) and error.reason == "NotFound":
                return
            raise
        message = f"Successfully assigned {pod.key} to {node}"
        self._recorder.event(PODS, pod, "Scheduled", message)

    async def _report(self, pod: Pod, message: str) -> None:
        before = next((c for c in pod.status.conditions if c.type == "PodScheduled"), None)
        if before is not None and before.status == "False" and before.message == message:
            return
        self._recorder.event(PODS, pod, "FailedScheduling", message, warning=True)
        self._pods.wrote(await self._client.patch(PODS, pod.key, unscheduled(pod, message), "status"))


def unscheduled(pod: Pod, message: str) -> dict[str, Any]:
    """Return the status patch with the condition PodScheduled; other conditions stay."""
    others: list[dict[str, Any]] = [
        {"type": c.type, "status": c.status, "reason": c.reason, "message": c.message}
        | ({"lastTransitionTime": c.last_transition_time} if c.last_transition_time else {})
        for c in pod.status.conditions
        if c.type != "PodScheduled"
    ]
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": timestamp(datetime.now(UTC)),
    }
    return {
        "metadata": {"resourceVersion": pod.metadata.resource_version},
        "status": {"conditions": [*others, condition]},
    }


def _wants_node(pod: Pod) -> bool:
    over = pod.finished or pod.metadata.deletion_timestamp is not None
    ours = pod.spec.scheduler_name == NAME and not pod.spec.scheduling_gates
    return not pod.spec.node_name and ours and not over


def _offer(node: Node) -> tuple[Any, ...]:
    return node.ready, node.spec.unschedulable, node.spec.taints, node.metadata.labels, node.metadata.deletion_timestamp
