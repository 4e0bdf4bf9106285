"""The conditions of a node: pressure on memory, storage and process ids, and Ready. Pure: readings in, conditions out.

Sources: k8s.io/kubernetes `pkg/kubelet/nodestatus/setters.go`; the thresholds are the kubelet's defaults
(`memory.available<100Mi`, `nodefs.available<10%`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

LEAST_MEMORY = 100 * 1024 * 1024
LEAST_STORAGE_SHARE = 0.1
READY_MESSAGE = "kubelet is posting ready status"
NETWORK_NOT_READY = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:"

_LOW_MEMORY = ("KubeletHasInsufficientMemory", "kubelet has insufficient memory available")
_ENOUGH_MEMORY = ("KubeletHasSufficientMemory", "kubelet has sufficient memory available")
_LOW_STORAGE = ("KubeletHasDiskPressure", "kubelet has disk pressure")
_ENOUGH_STORAGE = ("KubeletHasNoDiskPressure", "kubelet has no disk pressure")


class Readings(msgspec.Struct, frozen=True):
    """What is left on a node: bytes of memory, and bytes of the file system that pods write to, of so many."""

    memory: int
    storage: int
    storage_total: int


def read(ephemeral: Path) -> Readings:
    """Return the readings of this machine and of a node's file system."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    memory = int(fields["MemAvailable"].split()[0]) * 1024
    found = os.statvfs(ephemeral if ephemeral.exists() else "/")
    return Readings(memory, found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def conditions(readings: Readings, trouble: str, now: str, before: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the conditions; one that is as `before` keeps its time. `trouble` keeps the node from being ready."""
    memory = readings.memory < LEAST_MEMORY
    storage = readings.storage < readings.storage_total * LEAST_STORAGE_SHARE
    found = (
        _condition("MemoryPressure", memory, *(_LOW_MEMORY if memory else _ENOUGH_MEMORY)),
        _condition("DiskPressure", storage, *(_LOW_STORAGE if storage else _ENOUGH_STORAGE)),
        _condition("PIDPressure", False, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        _condition("Ready", not trouble, "KubeletNotReady" if trouble else "KubeletReady", trouble or READY_MESSAGE),
    )
    known = {condition["type"]: condition for condition in before}
    return [_timed(condition, known.get(condition["type"]), now) for condition in found]


def _condition(kind: str, holds: bool, reason: str, message: str) -> dict[str, Any]:
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}


def _timed(condition: dict[str, Any], before: dict[str, Any] | None, now: str) -> dict[str, Any]:
    same = before is not None and before["status"] == condition["status"]
    since = before["lastTransitionTime"] if same and before is not None else now
    return {**condition, "lastHeartbeatTime": now, "lastTransitionTime": since}
