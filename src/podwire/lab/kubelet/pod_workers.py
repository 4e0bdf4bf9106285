"""The workers of all pods of a node, one for each uid.

A worker that raises is reported by its pod's name, in the log and as an event, and starts again after a back-off. The
others are not affected, and a pod that the API removes meanwhile is still ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from podwire.kube.core import ConfigMap, Pod, Secret
from podwire.kube.kinds import PODS
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.lab.kubelet.node_context import Node
from podwire.lab.kubelet.pod_worker import PodWorker
from podwire.lab.kubelet.references import CONFIG_MAP, SECRET, Reference, references, selects

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 60.0


@dataclass(slots=True)
class _Entry:
    """One pod. `worker` is None while none could be made; `delay` is the pause before the next start."""

    pod: Pod
    delay: float
    gone: bool = False
    worker: PodWorker | None = None
    task: asyncio.Task[None] | None = None
    refers: frozenset[Reference] = frozenset()


class PodWorkers(Mapping[str, PodWorker]):
    """Runs the workers. As a mapping: the workers by uid, those that wait for their next start too."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._entries: dict[str, _Entry] = {}
        self._referring: defaultdict[tuple[str, Reference], set[str]] = defaultdict(set)

    def __getitem__(self, uid: str) -> PodWorker:
        worker = self._entries[uid].worker
        if worker is None:
            raise KeyError(uid)
        return worker

    def __iter__(self) -> Iterator[str]:
        return iter([uid for uid, entry in self._entries.items() if entry.worker is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def update(self, pod: Pod) -> None:
        """Take a pod as the API has it now; a new one is started."""
        entry = self._entries.get(pod.metadata.uid)
        if entry is None:
            entry = self._entries[pod.metadata.uid] = _Entry(pod, delay=FIRST_RETRY_SECONDS)
            self._index(entry)
            self._start(entry)
            return
        entry.pod = pod
        self._index(entry)
        if entry.worker is not None:
            entry.worker.update(pod)

    def deleted(self, uid: str) -> None:
        """The API does not have this pod any more: end it."""
        entry = self._entries.get(uid)
        if entry is not None:
            entry.gone = True
            if entry.worker is not None:
                entry.worker.deleted()

    async def remove(self, pod: Pod) -> None:
        """End a pod that only its folder on this node still knows; return when nothing of it is left."""
        worker = PodWorker(self._node, pod, tuple)
        worker.deleted()
        await worker.run()

    def poke_all(self) -> None:
        """Something changed that any pod may depend on."""
        for worker in self.values():
            worker.poke()

    def config_map_changed(self, change: Change[ConfigMap]) -> None:
        """Wake the pods that refer to a ConfigMap."""
        self._poke_referring(CONFIG_MAP, _key(change))

    def secret_changed(self, change: Change[Secret]) -> None:
        """Wake the pods that refer to a Secret."""
        self._poke_referring(SECRET, _key(change))

    def service_changed(self, change: Change[Service]) -> None:
        """Wake the pods that a Service selects or has selected: their stand-ins listen on its target ports."""
        for worker in self.values():
            if selects(change.new, worker.pod) or selects(change.old, worker.pod):
                worker.poke()

    def find(self, key: NamespacedName) -> PodWorker | None:
        """Return the pod of this name; of one that ends and one that takes its place, the new one."""
        return next((worker for worker in reversed(list(self.values())) if worker.pod.key == key), None)

    async def cancel(self) -> None:
        """Cancel all workers and wait for them; containers keep running."""
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _admitted(self) -> Iterator[Pod]:
        return (worker.pod for worker in self.values() if worker.admitted)

    def _poke_referring(self, kind: str, key: NamespacedName) -> None:
        for uid in self._referring.get((key.namespace, Reference(kind, key.name)), ()):
            if (worker := self._entries[uid].worker) is not None:
                worker.poke()

    def _index(self, entry: _Entry) -> None:
        uid, namespace = entry.pod.metadata.uid, entry.pod.metadata.namespace
        desired = frozenset() if entry.gone else references(entry.pod)
        for reference in entry.refers - desired:
            self._referring[namespace, reference].discard(uid)
            if not self._referring[namespace, reference]:
                del self._referring[namespace, reference]
        for reference in desired - entry.refers:
            self._referring[namespace, reference].add(uid)
        entry.refers = desired

    def _start(self, entry: _Entry) -> None:
        entry.worker = None
        try:
            worker = PodWorker(self._node, entry.pod, self._admitted)
        except Exception as error:  # one pod must not end the kubelet
            self._failed(entry, error)
            return
        if entry.gone:
            worker.deleted()
        entry.worker = worker
        entry.task = asyncio.get_running_loop().create_task(worker.run(), name=str(entry.pod.key))
        entry.task.add_done_callback(lambda done: self._ended(entry, done))

    def _ended(self, entry: _Entry, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(entry, error)
            return
        entry.gone = True
        self._index(entry)
        del self._entries[entry.pod.metadata.uid]

    def _failed(self, entry: _Entry, error: BaseException) -> None:
        log.error("pod %s: its worker failed; again in %g s", entry.pod.key, entry.delay, exc_info=error)
        message = f"error syncing pod: {type(error).__name__}: {error}; retried in {entry.delay:g} s"
        self._node.recorder.event(PODS, entry.pod, "FailedSync", message, warning=True)
        asyncio.get_running_loop().call_later(entry.delay, self._start, entry)
        entry.delay = min(entry.delay * 2, LONGEST_RETRY_SECONDS)


def _key(change: Change[ConfigMap] | Change[Secret]) -> NamespacedName:
    item = change.item
    return item.key
