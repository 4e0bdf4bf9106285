"""Kinds that a world keeps, as clients expect to find them, and does not act on: who writes one is told so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwire.apiserver.resources import Resource

_NOTHING_DONE = {
    ("", "LimitRange"): "containers get no defaults and no bounds from it",
    ("", "PersistentVolume"): "no pod gets a volume from it",
    ("", "PersistentVolumeClaim"): "it stays Pending, and no pod gets a volume from it",
    ("", "ReplicationController"): "it makes no pods: use a Deployment",
    ("", "ResourceQuota"): "nothing is counted or refused",
    ("autoscaling", "HorizontalPodAutoscaler"): "nothing is scaled, as there are no metrics",
    (
        "networking.k8s.io",
        "Ingress",
    ): "nothing listens for it: reach its Services by 'kubectl port-forward' or a NodePort",
    ("networking.k8s.io", "ServiceCIDR"): "addresses of Services come from the world's own ranges",
    ("scheduling.k8s.io", "PriorityClass"): "no pod goes before another",
    ("storage.k8s.io", "StorageClass"): "it makes no volumes",
}
"""By group and kind: what does not happen. An entry goes when the world learns to do it."""

_WRITING = frozenset({"create", "update", "patch"})


def warning(resource: Resource, verb: str, subresource: str) -> str:
    """What a client hears who writes an object that has no effect; empty for all others."""
    missing = _NOTHING_DONE.get((resource.group, resource.kind), "")
    if not missing or subresource or verb not in _WRITING:
        return ""
    return f"podwire stores this {resource.kind} and does not act on it: {missing}"
