"""HorizontalPodAutoscalers of autoscaling/v1, which are stored as those of v2.

v1 knows one metric, the processor's use. What it has no fields for is kept in annotations, as upstream keeps it, so
that a client of v1 that reads and writes loses nothing; their JSON is that of v2. Source: k8s.io/kubernetes
`pkg/apis/autoscaling/v1/conversion.go`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.apiserver.base import status

Object = dict[str, Any]

OLD, STORED = "autoscaling/v1", "autoscaling/v2"

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_OTHERS: dict[str, tuple[str, str, Any]] = {
    "metrics": ("spec", "metrics", list[Object]),
    "behavior": ("spec", "behavior", Object),
    "conditions": ("status", "conditions", list[Object]),
    "current-metrics": ("status", "currentMetrics", list[Object]),
}
"""What v1 has in annotations: the end of the name, where v2 has it, and its form."""

_TARGET, _CURRENT = "targetCPUUtilizationPercentage", "currentCPUUtilizationPercentage"


def stored(obj: Object) -> Object:
    """An autoscaler of v1 as v2 has it. Raises StatusError 400 where an annotation of ours is not what v1 writes."""
    spec, state, metadata = dict(obj.get("spec") or {}), dict(obj.get("status") or {}), dict(obj.get("metadata") or {})
    parts = {"spec": spec, "status": state}
    annotations = dict(metadata.pop("annotations", None) or {})
    for name, (part, field, form) in _OTHERS.items():
        if text := annotations.pop(_PREFIX + name, ""):
            parts[part][field] = _decoded(name, text, form)
    use, used = spec.pop(_TARGET, None), state.pop(_CURRENT, None)
    if use is not None:
        target = {"type": "Utilization", "averageUtilization": use}
        spec["metrics"] = [_processor("target", target), *spec.get("metrics", ())]
    if used is not None:
        state["currentMetrics"] = [
            _processor("current", {"averageUtilization": used}),
            *state.get("currentMetrics", ()),
        ]
    if annotations:
        metadata["annotations"] = annotations
    return _whole(obj, STORED, metadata, spec, state)


def served(obj: Object) -> Object:
    """A stored autoscaler as v1 has it."""
    spec, state, metadata = dict(obj.get("spec") or {}), dict(obj.get("status") or {}), dict(obj["metadata"])
    parts = {"spec": spec, "status": state}
    use, spec["metrics"] = _use(spec.get("metrics") or [], "target")
    used, state["currentMetrics"] = _use(state.get("currentMetrics") or [], "current")
    annotations = dict(metadata.get("annotations") or {})
    for name, (part, field, _) in _OTHERS.items():
        if others := parts[part].pop(field, None):
            annotations[_PREFIX + name] = msgspec.json.encode(others).decode()
    if annotations:
        metadata["annotations"] = annotations
    if use is not None:
        spec[_TARGET] = use
    if used is not None:
        state[_CURRENT] = used
    return _whole(obj, OLD, metadata, spec, state)


def _processor(part: str, value: Object) -> Object:
    return {"type": "Resource", "resource": {"name": "cpu", part: value}}


def _use(metrics: list[Object], part: str) -> tuple[int | None, list[Object]]:
    """The first percentage of the processor among the metrics, and the other metrics."""
    for index, metric in enumerate(metrics):
        resource = metric.get("resource") or {}
        percent = (resource.get(part) or {}).get("averageUtilization")
        if resource.get("name") == "cpu" and percent is not None:
            return percent, [*metrics[:index], *metrics[index + 1 :]]
    return None, metrics


def _decoded(name: str, text: Any, form: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=form)
    except (msgspec.DecodeError, TypeError) as error:
        where = f"metadata.annotations[{_PREFIX}{name}]"
        raise status.bad_request(f"{where}: it must be JSON, as autoscaling/v1 writes it: {error}") from error


def _whole(obj: Object, api_version: str, metadata: Object, spec: Object, state: Object) -> Object:
    parts = {**obj, "apiVersion": api_version, "metadata": metadata, "spec": spec}
    if "status" in obj:
        parts["status"] = state
    return parts
