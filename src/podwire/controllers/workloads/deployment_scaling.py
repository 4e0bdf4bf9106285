"""A new `replicas` of a Deployment, spread over the ReplicaSets that have pods in proportion to their sizes. Pure.

Source: kubernetes `pkg/controller/deployment/sync.go` (scale), `util/deployment_util.go` (GetReplicaSetProportion).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from podwire.controllers.workloads.deployment_rollout import bounds

if TYPE_CHECKING:
    from podwire.kube.apps import Deployment, ReplicaSet

DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"


def size_annotations(deployment: Deployment) -> dict[str, str]:
    """Return the annotations of a ReplicaSet that is sized for the Deployment as it is now."""
    most = deployment.spec.replicas + bounds(deployment)[0]
    return {DESIRED_REPLICAS: str(deployment.spec.replicas), MAX_REPLICAS: str(most)}


def is_scaling(deployment: Deployment, sets: Sequence[ReplicaSet]) -> bool:
    """Return whether a ReplicaSet with pods was sized for another `replicas`; without the annotation it was not."""
    desired = (_number(s, DESIRED_REPLICAS) for s in sets if s.spec.replicas)
    return any(count is not None and count != deployment.spec.replicas for count in desired)


def sizes(
    deployment: Deployment, current: ReplicaSet | None, old: Sequence[ReplicaSet]
) -> tuple[int | None, list[int]]:
    """Return the count of the current set (None where it does not exist) and of each old one, oldest first."""
    sets = [*old, current] if current is not None else list(old)
    counts = [s.spec.replicas for s in sets]
    active = [index for index, count in enumerate(counts) if count]
    if len(active) <= 1:
        if sets:
            counts[active[0] if active else -1] = deployment.spec.replicas
    elif current is not None and _saturated(deployment, current):
        counts = [0] * len(old) + counts[-1:]
    elif deployment.spec.strategy.type == "RollingUpdate":
        _spread(deployment, sets, counts, active)
    return (counts[-1] if current is not None else None), counts[: len(old)]


def _spread(deployment: Deployment, sets: Sequence[ReplicaSet], counts: list[int], active: list[int]) -> None:
    """Change the counts of the active sets in place: the largest one also gets what rounding leaves over."""
    missing = _most_pods(deployment) - sum(counts)
    if not missing:
        return
    newest_first = missing > 0
    by_size = sorted(active, key=lambda index: (-counts[index], -index if newest_first else index))
    added = 0
    for index in by_size:
        part = _fraction(deployment, sets[index])
        step = min(part, missing - added) if missing > 0 else max(part, missing - added)
        counts[index] += step
        added += step
    counts[by_size[0]] = max(0, counts[by_size[0]] + missing - added)


def _fraction(deployment: Deployment, replica_set: ReplicaSet) -> int:
    """Return how many pods the set gains if it keeps its share of all pods, rounded half away from zero."""
    size = replica_set.spec.replicas
    if not deployment.spec.replicas:
        return -size
    before = _number(replica_set, MAX_REPLICAS) or deployment.status.replicas
    if not before:
        return 0
    return math.floor(size * _most_pods(deployment) / before + 0.5) - size


def _most_pods(deployment: Deployment) -> int:
    return deployment.spec.replicas + bounds(deployment)[0] if deployment.spec.replicas else 0


def _saturated(deployment: Deployment, current: ReplicaSet) -> bool:
    expected = deployment.spec.replicas
    available = current.status.available_replicas
    return _number(current, DESIRED_REPLICAS) == current.spec.replicas == available == expected


def _number(replica_set: ReplicaSet, annotation: str) -> int | None:
    text = replica_set.metadata.annotations.get(annotation, "")
    return int(text) if text.isdecimal() and len(text) <= 10 else None
