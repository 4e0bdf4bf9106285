"""What a ReplicaSet's pods mean: how many to make, which to delete, what the status says. Pure.

Source: kubernetes `pkg/controller/replicaset`, `pkg/controller/controller_utils.go` (ActivePodsWithRanks).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.machinery.owner_references import reference
from podwire.kube.kinds import REPLICA_SETS
from podwire.kube.meta import Condition

if TYPE_CHECKING:
    from podwire.kube.apps import ReplicaSet
    from podwire.kube.core import Pod
    from podwire.kube.meta import Object

BURST = 500
"""Pods made or deleted in one step; the next step follows at once."""

LONGEST_NAME_BASE = 58
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do next. `again_after` is when time alone changes the status, in seconds."""

    create: int = 0
    delete: tuple[Pod, ...] = ()
    again_after: float | None = None


def plan(replica_set: ReplicaSet, pods: Sequence[Pod], now: datetime) -> Plan:
    """Compare the pods of a set with the wanted count."""
    again = next_available([pod for pod in pods if active(pod)], replica_set.spec.min_ready_seconds, now)
    if replica_set.metadata.deletion_timestamp is not None:
        return Plan(again_after=again)
    alive = [pod for pod in pods if active(pod)]
    missing = replica_set.spec.replicas - len(alive)
    if missing >= 0:
        return Plan(create=min(missing, BURST), again_after=again)
    return Plan(delete=tuple(victims(alive, min(-missing, BURST))), again_after=again)


def active(pod: Pod) -> bool:
    """Whether the pod counts: neither ended nor ending."""
    return not pod.finished and pod.metadata.deletion_timestamp is None


def victims(pods: Sequence[Pod], count: int) -> list[Pod]:
    """Who goes first: not placed, not running, not ready, cheap, crowded on a node, youngest."""
    crowd = Counter(pod.spec.node_name for pod in pods)

    def rank(pod: Pod) -> tuple[Any, ...]:
        return (
            bool(pod.spec.node_name),
            PHASES.get(pod.status.phase, 1),
            pod.ready,
            _deletion_cost(pod),
            -crowd[pod.spec.node_name],
            -_moment(_ready_since(pod)),
            -_moment(pod.metadata.creation_timestamp),
            pod.metadata.name,
        )

    return sorted(pods, key=rank)[:count]


def unavailable_for(pod: Pod, min_ready_seconds: int, now: datetime) -> float:
    """Seconds until the pod has been ready for minReadySeconds; 0 when it is available, infinite when not ready."""
    if not pod.ready:
        return float("inf")
    since = _ready_since(pod)
    if not min_ready_seconds or since is None:
        return 0.0
    return max(0.0, _moment(since) + min_ready_seconds - now.timestamp())


def next_available(pods: Iterable[Pod], min_ready_seconds: int, now: datetime) -> float | None:
    """Seconds until the next of these pods becomes available; None where time alone makes none so."""
    times = (unavailable_for(pod, min_ready_seconds, now) for pod in pods)
    return min((left for left in times if 0 < left < float("inf")), default=None)


def status(replica_set: ReplicaSet, pods: Sequence[Pod], now: datetime, failure: Condition | None) -> dict[str, Any]:
    """The status that the pods amount to, as JSON."""
    alive = [pod for pod in pods if active(pod)]
    wanted = replica_set.spec.template.labels.items()
    return {
        "replicas": len(alive),
        "fullyLabeledReplicas": sum(wanted <= pod.metadata.labels.items() for pod in alive),
        "readyReplicas": sum(pod.ready for pod in alive),
        "availableReplicas": sum(unavailable_for(pod, replica_set.spec.min_ready_seconds, now) == 0 for pod in alive),
        "observedGeneration": replica_set.metadata.generation,
        "conditions": [msgspec.to_builtins(failure)] if failure else [],
    }


def stands(replica_set: ReplicaSet, wanted: Mapping[str, Any]) -> bool:
    """Whether the object's status says all of this already; times of conditions do not count."""
    have = replica_set.status
    conditions = [(c.type, c.status, c.reason, c.message) for c in have.conditions]
    return (
        have.replicas == wanted["replicas"]
        and have.fully_labeled_replicas == wanted["fullyLabeledReplicas"]
        and have.ready_replicas == wanted["readyReplicas"]
        and have.available_replicas == wanted["availableReplicas"]
        and have.observed_generation == wanted["observedGeneration"]
        and conditions == [(c["type"], c["status"], c["reason"], c["message"]) for c in wanted["conditions"]]
    )


def pod_body(replica_set: ReplicaSet, name: str) -> dict[str, Any]:
    """A new pod of the set."""
    template = replica_set.spec.template
    return {
        "metadata": {
            **template.metadata,
            "name": name,
            "generateName": f"{replica_set.metadata.name}-",
            "namespace": replica_set.metadata.namespace,
            "ownerReferences": [reference(REPLICA_SETS, replica_set)],
        },
        "spec": template.spec,
    }


def name_beginning(owner: Object) -> str:
    """What the names of an owner's pods begin with; five random characters follow."""
    return f"{owner.metadata.name}-"[:LONGEST_NAME_BASE]


def _ready_since(pod: Pod) -> str | None:
    return next((c.last_transition_time for c in pod.status.conditions if c.type == "Ready"), None)


def _moment(text: str | None) -> float:
    """Seconds since the epoch of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _deletion_cost(pod: Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0
