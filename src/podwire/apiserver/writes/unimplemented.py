"""Warnings for objects that are stored and have no effect; an entry is removed when its kind gets one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwire.apiserver.kinds.resources import Resource

_NOTHING_DONE = {
    ("", "LimitRange"): "containers get no defaults and no bounds from it",
    ("", "PersistentVolume"): "no pod gets a volume from it",
    ("", "PersistentVolumeClaim"): "it stays Pending, and no pod gets a volume from it",
    ("", "ResourceQuota"): "nothing is counted or refused",
    ("autoscaling", "HorizontalPodAutoscaler"): "nothing is scaled, as there are no metrics",
    ("scheduling.k8s.io", "PriorityClass"): "pods get its number, and none is ended to make room for another",
    ("storage.k8s.io", "StorageClass"): "it makes no volumes",
}
"""By group and kind: what does not happen."""

_WRITING = frozenset({"create", "update", "patch"})


def warning(resource: Resource, verb: str, subresource: str) -> str:
    """The warning of a write of an object that has no effect; empty for all others."""
    missing = _NOTHING_DONE.get((resource.group, resource.kind), "")
    if not missing or subresource or verb not in _WRITING:
        return ""
    return f"podwire stores this {resource.kind} and does not act on it: {missing}"
