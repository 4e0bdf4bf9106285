"""Warnings for objects and fields that are stored and have no effect; an entry is removed when it gets one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_path import Field
    from podwire.apiserver.kinds.resources import Resource

_NOTHING_DONE = {
    ("", "LimitRange"): "containers get no defaults and no bounds from it",
    ("", "PersistentVolume"): "no pod gets a volume from it",
    ("", "PersistentVolumeClaim"): "it stays Pending, and no pod gets a volume from it",
    ("", "ResourceQuota"): "nothing is counted or refused",
    ("autoscaling", "HorizontalPodAutoscaler"): "nothing is scaled, as there are no metrics",
    ("networking.k8s.io", "Ingress"): "nothing listens for it: reach its Services by 'kubectl port-forward'",
    ("scheduling.k8s.io", "PriorityClass"): "pods get its number, and none is ended to make room for another",
    ("storage.k8s.io", "StorageClass"): "it makes no volumes",
}
"""By group and kind: what does not happen."""

_SERVICE_FIELDS = {
    "type": {
        "NodePort": "nodes do not listen on its node ports: reach it by its cluster IP or 'kubectl port-forward'",
        "LoadBalancer": "it gets no address outside: reach it by its cluster IP or 'kubectl port-forward'",
    },
    "sessionAffinity": {"ClientIP": "each connection may go to any endpoint"},
    "internalTrafficPolicy": {"Local": "connections go to the endpoints of all nodes"},
}
"""By field of a Service's spec and its value: what does not happen."""

_WRITING = frozenset({"create", "update", "patch"})


def warning(resource: Resource, verb: str, subresource: str) -> str:
    """The warning of a write of an object that has no effect; empty for all others."""
    missing = _NOTHING_DONE.get((resource.group, resource.kind), "")
    if not missing or subresource or verb not in _WRITING:
        return ""
    return f"podwire stores this {resource.kind} and does not act on it: {missing}"


def service_warnings(spec: Field) -> Iterator[str]:
    """The warnings of a Service's fields without effect."""
    for field, missing in _without_effect(spec.value or {}):
        yield f"{spec.path}.{field}: podwire stores this and does not act on it: {missing}"


def _without_effect(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for field, values in _SERVICE_FIELDS.items():
        missing = values.get(spec.get(field, ""))
        if missing:
            yield f"{field} {spec[field]}", missing
    if spec.get("externalIPs"):
        yield "externalIPs", "no node answers for these addresses"
