"""Kinds of the group autoscaling. Source: k8s.io/kubernetes `pkg/apis/autoscaling/v2/defaults.go`."""

from __future__ import annotations

from typing import Any

PERCENT_OF_PROCESSOR = 80


def horizontal_pod_autoscaler(obj: dict[str, Any]) -> None:
    """A HorizontalPodAutoscaler watches the processor's use where it names no metric."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": PERCENT_OF_PROCESSOR}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
