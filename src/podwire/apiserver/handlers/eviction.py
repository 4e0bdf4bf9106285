"""Whether a pod may be evicted by its PodDisruptionBudget. Pure.

Source: k8s.io/kubernetes `pkg/registry/core/pod/storage/eviction.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.field_errors import Cause
from podwire.apiserver.base.status import Details, StatusError
from podwire.apiserver.validation.workloads import selects

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, Any]

MOST_DISRUPTED = 2000
RETRY_SECONDS = 10
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


def budget_of(pod: Object, budgets: Iterable[Object]) -> Object | None:
    """The budget that decides about a pod; None where none does. Raises StatusError 500 where several would."""
    state = pod.get("status", {})
    if state.get("phase") in {"Succeeded", "Failed", "Pending"} or "deletionTimestamp" in pod["metadata"]:
        return None
    labels = pod["metadata"].get("labels", {})
    found = [budget for budget in budgets if _selects(budget, labels)]
    if len(found) > 1:
        why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        raise StatusError(500, "InternalError", why)
    return found[0] if found else None


def charge(budget: Object, pod: Object, now: str) -> Object:
    """The budget after one more eviction; raises StatusError 429 where it allows none.

    A pod that is not ready costs nothing, as long as enough others are healthy (or always, by the budget's own policy).
    """
    metadata, state = budget["metadata"], budget.get("status", {})
    if state.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise _too_many("The disruption budget {name} is still being processed by the server.", budget, RETRY_SECONDS)
    healthy, desired = state.get("currentHealthy", 0), state.get("desiredHealthy", 0)
    always = budget.get("spec", {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
    if not _ready(pod) and (always or (healthy >= desired > 0)):
        return budget
    allowed = state.get("disruptionsAllowed", 0)
    disrupted = state.get("disruptedPods", {})
    if allowed <= 0 or len(disrupted) > MOST_DISRUPTED:
        raise _too_many(
            f"The disruption budget {{name}} needs {desired} healthy pods and has {healthy} currently", budget
        )
    charged = {**state, "disruptionsAllowed": allowed - 1, "disruptedPods": {**disrupted, pod["metadata"]["name"]: now}}
    return {**budget, "status": charged}


def mark(pod: Object, now: str) -> Object:
    """Return the pod with the condition by which others learn that it is being evicted."""
    state = pod.get("status") or {}
    marked = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastTransitionTime": now,
    }
    others = [entry for entry in state.get("conditions") or () if entry.get("type") != marked["type"]]
    return {**pod, "status": {**state, "conditions": [*others, marked]}}


def _selects(budget: Object, labels: dict[str, str]) -> bool:
    selector = budget.get("spec", {}).get("selector")
    return selector is not None and selects(selector, labels)


def _ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in conditions)


def _too_many(text: str, budget: Object, seconds: int = 0) -> StatusError:
    cause = Cause("", "DisruptionBudget", text.format(name=budget["metadata"]["name"]))
    return StatusError(429, "TooManyRequests", REFUSED, Details(causes=(cause,), retry_after_seconds=seconds))
