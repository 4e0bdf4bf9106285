"""Eviction of pods: those that exceed a limit of local storage, and the largest one of a node that is short of it.

Usage is measured from time to time, only of pods with such a limit, or while the node is short. Source:
k8s.io/kubernetes `pkg/kubelet/eviction/eviction_manager.go` localStorageEviction, whose order and messages these are.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import msgspec

from podwire.kube import quantities
from podwire.kube.core import Container, Pod
from podwire.kube.volumes import Volume
from podwire.lab.kubelet.empty_dir import MEMORY, disk_usage
from podwire.lab.kubelet.node_conditions import LEAST_STORAGE_SHARE, Readings
from podwire.lab.kubelet.pod_worker import PodWorker
from podwire.lab.kubelet.sandbox import Failure
from podwire.lab.shim.lifecycle import Running

EVICTED = "Evicted"
STORAGE = "ephemeral-storage"
CRITICAL = frozenset({"system-node-critical", "system-cluster-critical"})
PERIOD_SECONDS = 1.0
LONGEST_PERIOD_SECONDS = 10.0
"""How often the kubelet of Kubernetes measures (`cmd/kubelet/app` evictionMonitoringPeriod)."""
MEASURING_SHARE = 20
"""Measuring takes at most one part in so many of the kubelet's processor time, within the longest period."""


class StorageUsage(msgspec.Struct, frozen=True):
    """Bytes that a pod occupies: in emptyDir volumes on disk, and in root file systems and logs by container."""

    volumes: Mapping[str, int] = msgspec.field(default_factory=dict)
    containers: Mapping[str, int] = msgspec.field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.volumes.values()) + sum(self.containers.values())


def limited(pod: Pod) -> bool:
    """Return whether anything of a pod has a limit of local storage that could evict it."""
    if pod.spec.priority_class_name in CRITICAL:
        return False
    volumes = any(_volume_limit(volume) is not None for volume in pod.spec.volumes)
    return volumes or any(STORAGE in entry.resources.limits for entry in _lasting(pod))


def excess(pod: Pod, usage: StorageUsage) -> str:
    """Return the message of the first limit that is exceeded; empty where none is."""
    for volume in pod.spec.volumes:
        limit = _volume_limit(volume)
        if limit is not None and usage.volumes.get(volume.name, 0) > quantities.number(limit):
            return f'Usage of EmptyDir volume "{volume.name}" exceeds the limit "{quantities.canonical(limit)}". '
    whole = pod_limit(pod)
    if whole is not None and usage.total > whole:
        text = quantities.canonical(_binary(pod, whole))
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {text}. "
    for container in _lasting(pod):
        limit = container.resources.limits.get(STORAGE)
        if limit is not None and 0 < quantities.number(limit) < usage.containers.get(container.name, 0):
            text = quantities.canonical(limit)
            return f'Container {container.name} exceeded its local ephemeral storage limit "{text}". '
    return ""


def largest(usages: Mapping[str, tuple[Pod, StorageUsage]]) -> str | None:
    """Return the uid of the pod whose emptyDir volumes occupy most; None where no pod may be evicted for it."""
    sizes = {
        uid: sum(usage.volumes.values())
        for uid, (pod, usage) in usages.items()
        if pod.spec.priority_class_name not in CRITICAL
    }
    found = max(sizes, key=lambda uid: sizes[uid], default=None)
    return found if found is not None and sizes[found] > 0 else None


def shortage(readings: Readings) -> str:
    """Return the message of an eviction from a node that is short of storage; empty where it is not."""
    threshold = int(readings.storage_total * LEAST_STORAGE_SHARE)
    if readings.storage >= threshold:
        return ""
    least, left = (quantities.canonical(f"{number // 1024}Ki") for number in (threshold, readings.storage))
    return f"The node was low on resource: {STORAGE}. Threshold quantity: {least}, available: {left}. "


def pod_limit(pod: Pod) -> Decimal | None:
    """Return the limit of a whole pod: the sum of its containers', or one init container's that is larger."""
    limits = [entry.resources.limits.get(STORAGE) for entry in (*pod.spec.containers, *pod.spec.init_containers)]
    if all(limit is None for limit in limits):
        return None
    lasting = sum((quantities.number(entry.resources.limits.get(STORAGE, "0")) for entry in _lasting(pod)), Decimal(0))
    passing = [
        quantities.number(entry.resources.limits.get(STORAGE, "0"))
        for entry in pod.spec.init_containers
        if entry.restart_policy != "Always"
    ]
    return max([lasting, *passing])


def pause(spent: float) -> float:
    """Return the seconds until the next measurement, after one that took so many of processor time."""
    return min(max(PERIOD_SECONDS, spent * MEASURING_SHARE), LONGEST_PERIOD_SECONDS)


def _binary(pod: Pod, number: Decimal) -> str:
    """Return a sum as Go prints it: with the first limit's kind of unit."""
    first = next(str(limit) for entry in _lasting(pod) if (limit := entry.resources.limits.get(STORAGE)) is not None)
    return f"{number / 1024}Ki" if first.endswith("i") and number % 1024 == 0 else str(number)


def _volume_limit(volume: Volume) -> str | int | float | None:
    if volume.empty_dir is None or volume.empty_dir.medium == MEMORY or volume.empty_dir.size_limit is None:
        return None  # the kernel holds the limit of a volume in memory
    return volume.empty_dir.size_limit if quantities.number(volume.empty_dir.size_limit) > 0 else None


def _lasting(pod: Pod) -> Iterable[Container]:
    """The containers that run as long as the pod does."""
    return (*pod.spec.containers, *(entry for entry in pod.spec.init_containers if entry.restart_policy == "Always"))


def measure(worker: PodWorker) -> StorageUsage:
    """Measure one pod. A container's root is read from its first process."""
    pod, sandbox = worker.pod, worker.sandbox
    on_disk = (entry.name for entry in pod.spec.volumes if entry.empty_dir and entry.empty_dir.medium != MEMORY)
    containers = {}
    for name, record in worker.records.items():
        root = _root_usage(record.state.pid) if isinstance(record.state, Running) else 0
        containers[name] = root + disk_usage(sandbox.logs.folder / name)
    return StorageUsage({name: disk_usage(sandbox.empty_dirs.folder / name) for name in on_disk}, containers)


def _root_usage(process: int) -> int:
    try:
        found = os.statvfs(f"/proc/{process}/root")
    except OSError:
        return 0
    return (found.f_blocks - found.f_bfree) * found.f_frsize


class EvictionMonitor:
    """Evicts pods of one node. `run` it once."""

    def __init__(self, workers: Callable[[], Iterable[PodWorker]], readings: Callable[[], Readings]) -> None:
        self._workers = workers
        self._readings = readings

    async def run(self) -> None:
        """Measure and evict until cancelled."""
        while True:
            began = time.thread_time()
            for worker in list(self._workers()):
                if limited(worker.pod) and worker.active:
                    if message := excess(worker.pod, measure(worker)):
                        worker.fail(Failure(reason=EVICTED, message=message))
                    await asyncio.sleep(0)
            if message := shortage(self._readings()):
                self._evict_largest(message)
            await asyncio.sleep(pause(time.thread_time() - began))

    def _evict_largest(self, message: str) -> None:
        """Evict one pod, and none while one that was evicted before still ends."""
        workers = {worker.pod.metadata.uid: worker for worker in self._workers()}
        if any(worker.sandbox.record.failure and not worker.sandbox.record.retired for worker in workers.values()):
            return
        active = {uid: worker for uid, worker in workers.items() if worker.active}
        uid = largest({uid: (worker.pod, measure(worker)) for uid, worker in active.items()})
        if uid is not None:
            active[uid].fail(Failure(reason=EVICTED, message=message, disrupts=True))
