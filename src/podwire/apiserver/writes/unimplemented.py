"""What a world keeps, as clients expect to find it, and does not act on: who writes it is told so.

An entry goes when the world learns to do it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.kinds.resources import Resource
    from podwire.apiserver.storage.revisions import Stored

_NOTHING_DONE = {
    ("", "LimitRange"): "containers get no defaults and no bounds from it",
    ("", "PersistentVolume"): "no pod gets a volume from it",
    ("", "PersistentVolumeClaim"): "it stays Pending, and no pod gets a volume from it",
    ("", "ReplicationController"): "it makes no pods: use a Deployment",
    ("", "ResourceQuota"): "nothing is counted or refused",
    ("autoscaling", "HorizontalPodAutoscaler"): "nothing is scaled, as there are no metrics",
    ("networking.k8s.io", "Ingress"): "nothing listens for it: reach its Services by 'kubectl port-forward'",
    ("scheduling.k8s.io", "PriorityClass"): "no pod goes before another",
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

_HOST_PORT, _HOST_NETWORK = b'"hostPort":', b'"hostNetwork":true'

_WRITING = frozenset({"create", "update", "patch"})


def warning(resource: Resource, verb: str, subresource: str) -> str:
    """What a client hears who writes an object that has no effect; empty for all others."""
    missing = _NOTHING_DONE.get((resource.group, resource.kind), "")
    if not missing or subresource or verb not in _WRITING:
        return ""
    return f"podwire stores this {resource.kind} and does not act on it: {missing}"


def field_warnings(resource: Resource, stored: Stored) -> tuple[str, ...]:
    """What a client hears of fields without effect in the object that it wrote."""
    if resource.group == "" and resource.kind == "Service":
        return tuple(
            f"spec.{field}: podwire stores this and does not act on it: {missing}"
            for field, missing in _without_effect(stored.object().get("spec") or {})
        )
    if _HOST_PORT in stored.body and _HOST_NETWORK not in stored.body and resource.custom is None:
        return ("hostPort: podwire stores this and does not act on it: nodes do not listen on it",)
    return ()


def _without_effect(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for field, values in _SERVICE_FIELDS.items():
        missing = values.get(spec.get(field, ""))
        if missing:
            yield f"{field} {spec[field]}", missing
    if spec.get("externalIPs"):
        yield "externalIPs", "no node answers for these addresses"
