"""Which workloads and pods are not ready yet, and why. Pure: from objects as the API returns them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podwire.testing.targets import is_ready, leaving

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one

KINDS = "deployments.apps,statefulsets.apps,daemonsets.apps,pods"


def not_ready(items: Iterable[dict[str, Any]]) -> list[str]:
    """One line for each workload whose rollout is not done and each pod that is not ready; empty when all is well.

    Pods that have succeeded, or are being deleted, are well.
    """
    return [f"{title(item)}: {trouble}" for item in items if (trouble := troubled(item))]


def title(item: dict[str, Any]) -> str:
    """Kind, namespace and name of an object, as a test would write it."""
    metadata = item["metadata"]
    return f"{item['kind'].lower()} {metadata['namespace']}/{metadata['name']}"


def troubled(item: dict[str, Any]) -> str:
    """What one object waits for; empty if it is ready."""
    if leaving(item):
        return ""
    return pod(item) if item["kind"] == "Pod" else workload(item)


def workload(item: dict[str, Any]) -> str:
    """By the rule of `kubectl rollout status`: the controller has observed the spec, all pods are new and available."""
    status, spec = item.get("status", {}), item["spec"]
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0):
        return "its controller has not seen it yet"
    if item["kind"] == "DaemonSet":
        expected = status.get("desiredNumberScheduled", 0)
        updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
        total = expected
    else:
        expected = spec.get("replicas", 1)
        updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
        total = status.get("replicas", 0)
    if (updated, available, total) == (expected, expected, expected):
        return ""
    return f"{available} of {expected} pods are available, {updated} of them up to date, {total} in all"


def pod(item: dict[str, Any]) -> str:
    """Why a pod is not ready: by its containers' states, else by its conditions."""
    status = item.get("status", {})
    if status.get("phase") == "Succeeded" or is_ready({"status": status}):
        return ""
    words = [status.get("phase", "no status"), status.get("reason", ""), status.get("message", "")]
    for one in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        if not one.get("ready"):
            words += [f"container {one['name']}:", *container(one.get("state", {}))]
            if "waiting" in one.get("state", {}) and one.get("lastState"):
                words += ["last:", *container(one["lastState"])]
    if not status.get("containerStatuses"):
        words += [one.get("message", "") for one in status.get("conditions", []) if one.get("status") != "True"]
    return " ".join(word for word in words if word)


def container(state: dict[str, Any]) -> list[str]:
    """The state of a container as text."""
    for name, fields in state.items():
        code = [f"with {fields['exitCode']}"] if "exitCode" in fields else []
        return [name, *code, fields.get("reason", ""), fields.get("message", "")]
    return ["not started"]
