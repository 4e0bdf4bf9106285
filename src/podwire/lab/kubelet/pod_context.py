"""What the parts of a pod's worker share: the object, the shim's records, the sandbox, and a wake-up event."""

from __future__ import annotations

import asyncio
import time

from podwire.kube.core import Container, Pod
from podwire.kube.kinds import PODS
from podwire.lab.kubelet import pod_status
from podwire.lab.kubelet.empty_dir import EmptyDirs
from podwire.lab.kubelet.node_context import Node
from podwire.lab.kubelet.pod_events import PodEvent
from podwire.lab.kubelet.pod_logs import PodLogs
from podwire.lab.kubelet.probe import Execute, Prober
from podwire.lab.kubelet.sandbox import Sandbox, SandboxRecord
from podwire.lab.shim import messages
from podwire.lab.shim.client import ShimClient, ShimError
from podwire.lab.shim.lifecycle import Record, Running


class PodContext:
    """One pod on one node. `gone`: the API does not have it any more; `state` is the shim's newest report."""

    def __init__(self, node: Node, pod: Pod) -> None:
        self.node = node
        self.pod = pod
        self.gone = False
        self.records: dict[str, Record] = {}
        self.state = messages.PodState()
        self.sandbox = _sandbox(node, pod)
        self.shim = ShimClient(self.sandbox.folder, node.spawner, str(node.network))
        self.woken = asyncio.Event()
        self._emitted: set[PodEvent] = set()

    def poke(self) -> None:
        """Wake the worker: something that the pod depends on may have changed."""
        self.woken.set()

    @property
    def deleting(self) -> bool:
        """Whether the pod must end."""
        return self.gone or self.pod.metadata.deletion_timestamp is not None

    def runs(self, name: str) -> bool:
        """Whether a container runs."""
        record = self.records.get(name)
        return record is not None and isinstance(record.state, Running)

    def emit(self, notice: PodEvent) -> None:
        """Write an event about the pod."""
        self.node.recorder.event(PODS, self.pod, notice.reason, notice.message, warning=notice.warning)

    def emit_once(self, notice: PodEvent) -> None:
        """Write an event that this worker has not written yet."""
        if notice not in self._emitted:
            self._emitted.add(notice)
            self.emit(notice)

    def execute(self, name: str) -> Execute:
        """Return a function that runs commands in a container. It raises TimeoutError and OSError."""

        async def execute(command: tuple[str, ...], timeout_seconds: float) -> int:
            try:
                return await self.shim.exit_code(name, command, timeout_seconds)
            except ShimError as error:
                raise OSError(str(error)) from None

        return execute

    def prober(self, container: Container) -> Prober:
        """Return what runs the probes and hooks of a container."""
        return Prober(container, self.sandbox.record.addresses[0], self.execute(container.name))


def _sandbox(node: Node, pod: Pod) -> Sandbox:
    uid = pod.metadata.uid
    record = SandboxRecord(
        namespace=pod.metadata.namespace,
        name=pod.metadata.name,
        uid=uid,
        started=pod_status.rfc3339(time.time()),
        host_network=pod.spec.host_network,
    )
    logs = PodLogs(node.files, record.namespace, record.name, uid)
    return Sandbox(
        node.pod_folder(uid), node.pins / uid, record, node.cni, (logs, EmptyDirs(node.ephemeral / "pods" / uid))
    )
