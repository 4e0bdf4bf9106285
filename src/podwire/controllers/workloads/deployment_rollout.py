"""The next size of each ReplicaSet of a Deployment during a rollout. Pure.

Source: kubernetes `pkg/controller/deployment/rolling.go`, `recreate.go`, `util/deployment_util.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from podwire.kube.apps import scaled

if TYPE_CHECKING:
    from podwire.kube.apps import Deployment, ReplicaSet


def bounds(deployment: Deployment) -> tuple[int, int]:
    """Return maxSurge and maxUnavailable as pods. Both 0 would never end: then 1 may be unavailable."""
    spec = deployment.spec
    if spec.strategy.type == "Recreate":
        return 0, spec.replicas
    rolling = spec.strategy.rolling_update
    surge = scaled(rolling.max_surge, spec.replicas, round_up=True)
    unavailable = min(scaled(rolling.max_unavailable, spec.replicas, round_up=False), spec.replicas)
    return surge, unavailable if surge or unavailable else 1


def sizes(
    deployment: Deployment, current: ReplicaSet | None, old: Sequence[ReplicaSet], old_pods: int
) -> tuple[int | None, list[int]]:
    """Return the next count of the current set (None: do not create it yet) and of each old one.

    `old_pods` counts the pods of old sets that still run, also those that are ending.
    """
    have = [s.spec.replicas for s in old]
    if deployment.spec.strategy.type == "Recreate":
        ready = current is not None or not (old_pods or any(have))
        return (deployment.spec.replicas if ready else None), [0] * len(old)
    size = _current_size(deployment, current.spec.replicas if current else 0, sum(have))
    return size, _old_sizes(deployment, current, size, old)


def _current_size(deployment: Deployment, now: int, others: int) -> int:
    desired = deployment.spec.replicas
    if now >= desired:
        return desired
    room = desired + bounds(deployment)[0] - others - now
    return now + max(0, min(room, desired - now))


def _old_sizes(deployment: Deployment, current: ReplicaSet | None, size: int, old: Sequence[ReplicaSet]) -> list[int]:
    """Scale down unavailable pods of old sets first, then available ones as far as enough remain."""
    counts = [s.spec.replicas for s in old]
    least = deployment.spec.replicas - bounds(deployment)[1]
    available = current.status.available_replicas if current else 0
    budget = sum(counts) + size - least - max(0, size - available)
    for index, replica_set in enumerate(old):
        broken = max(0, counts[index] - replica_set.status.available_replicas)
        step = max(0, min(broken, budget))
        counts[index] -= step
        budget -= step
    spare = available + sum(min(c, s.status.available_replicas) for c, s in zip(counts, old, strict=True)) - least
    for index in range(len(counts)):
        step = max(0, min(counts[index], spare))
        counts[index] -= step
        spare -= step
    return counts
