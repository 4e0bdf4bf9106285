"""The status of a PodDisruptionBudget: how many pods may be evicted now. Pure.

Source: kubernetes `pkg/controller/disruption/disruption.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from podwire.kube.apps import scaled
from podwire.kube.cache import controller_uid
from podwire.kube.disruption import PodDisruptionBudgetStatus
from podwire.kube.meta import Condition, timestamp

if TYPE_CHECKING:
    from podwire.kube.core import Pod
    from podwire.kube.disruption import PodDisruptionBudget

FORGET_SECONDS = 120.0
"""An evicted pod that does not end within this time counts again."""


def status(
    budget: PodDisruptionBudget, pods: Sequence[Pod], scales: Mapping[str, int], now: datetime
) -> PodDisruptionBudgetStatus:
    """Return the status computed from the selected pods. `scales` are the replicas of their controllers by uid."""
    disrupted = still_disrupted(budget, pods, now)
    counted = [pod for pod in pods if not pod.finished]
    healthy = sum(
        pod.ready and pod.metadata.deletion_timestamp is None and pod.metadata.name not in disrupted for pod in counted
    )
    expected, desired = _counts(budget, counted, scales)
    allowed = max(0, healthy - desired) if expected else 0
    return PodDisruptionBudgetStatus(
        observed_generation=budget.metadata.generation,
        disruptions_allowed=allowed,
        current_healthy=healthy,
        desired_healthy=desired,
        expected_pods=expected,
        disrupted_pods=disrupted,
        conditions=(_condition(budget, allowed, now),),
    )


def still_disrupted(budget: PodDisruptionBudget, pods: Sequence[Pod], now: datetime) -> dict[str, str]:
    """Return the evicted pods whose deletion has not been observed yet."""
    alive = {pod.metadata.name for pod in pods if pod.metadata.deletion_timestamp is None}
    oldest = now - timedelta(seconds=FORGET_SECONDS)
    return {
        name: since
        for name, since in budget.status.disrupted_pods.items()
        if name in alive and datetime.fromisoformat(since) > oldest
    }


def _counts(budget: PodDisruptionBudget, pods: Sequence[Pod], scales: Mapping[str, int]) -> tuple[int, int]:
    """Return how many pods are expected, and how many of them must be healthy."""
    spec = budget.spec
    if spec.max_unavailable is None and isinstance(spec.min_available, int):
        return len(pods), spec.min_available
    owners = {controller_uid(pod) for pod in pods} & scales.keys()
    expected = sum(scales[uid] for uid in owners) + sum(controller_uid(pod) not in scales for pod in pods)
    if spec.max_unavailable is not None:
        return expected, max(0, expected - scaled(spec.max_unavailable, expected, round_up=True))
    return expected, scaled(spec.min_available if spec.min_available is not None else 1, expected, round_up=True)


def _condition(budget: PodDisruptionBudget, allowed: int, now: datetime) -> Condition:
    status, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    before = next((c for c in budget.status.conditions if c.type == "DisruptionAllowed"), None)
    same = before is not None and before.status == status
    since = before.last_transition_time if same and before is not None else None
    return Condition(
        type="DisruptionAllowed",
        status=status,
        reason=reason,
        last_transition_time=since or timestamp(now),
        observed_generation=budget.metadata.generation,
    )
