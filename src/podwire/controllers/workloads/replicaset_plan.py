"""The next step of a ReplicaSet or ReplicationController, pods to create and to delete, and its status. Pure.

Source: kubernetes `pkg/controller/replicaset`, `pkg/controller/controller_utils.go` (ActivePodsWithRanks).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from podwire.controllers.machinery.owner_references import reference
from podwire.kube.apps import ReplicaSet, ReplicaSetStatus
from podwire.kube.meta import Condition

if TYPE_CHECKING:
    from podwire.kube.apps import ReplicationController
    from podwire.kube.core import Pod
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import Object

BURST = 500
"""Pods created or deleted in one step; the next step follows at once."""

LONGEST_NAME_BASE = 58
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
REPLICA_FAILURE = "ReplicaFailure"
PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


Replicated: TypeAlias = "ReplicaSet | ReplicationController"


class Plan(msgspec.Struct, frozen=True):
    """The next step. `again_after` is when time alone changes the status, in seconds."""

    create: int = 0
    delete: tuple[Pod, ...] = ()
    again_after: float | None = None


def plan(replica_set: Replicated, pods: Sequence[Pod], now: datetime) -> Plan:
    """Return the next step: the difference between the pods of a set and the desired count."""
    again = next_available([pod for pod in pods if active(pod)], replica_set.spec.min_ready_seconds, now)
    if replica_set.metadata.deletion_timestamp is not None:
        return Plan(again_after=again)
    alive = [pod for pod in pods if active(pod)]
    missing = replica_set.spec.replicas - len(alive)
    if missing >= 0:
        return Plan(create=min(missing, BURST), again_after=again)
    return Plan(delete=tuple(victims(alive, min(-missing, BURST))), again_after=again)


def active(pod: Pod) -> bool:
    """Return whether the pod counts: neither finished nor being deleted."""
    return not pod.finished and pod.metadata.deletion_timestamp is None


def terminating(pod: Pod) -> bool:
    """Return whether the pod is being deleted and still runs."""
    return not pod.finished and pod.metadata.deletion_timestamp is not None


def victims(pods: Sequence[Pod], count: int) -> list[Pod]:
    """Return the pods to delete first: not scheduled, not running, not ready, low cost, many on a node, youngest."""
    crowd = Counter(pod.spec.node_name for pod in pods)

    def rank(pod: Pod) -> tuple[Any, ...]:
        return (
            bool(pod.spec.node_name),
            PHASES.get(pod.status.phase, 1),
            pod.ready,
            _deletion_cost(pod),
            -crowd[pod.spec.node_name],
            -_moment(_ready_since(pod)),
            -max((state.restart_count for state in pod.status.container_statuses), default=0),
            -_moment(pod.metadata.creation_timestamp),
            pod.metadata.name,
        )

    return sorted(pods, key=rank)[:count]


def unavailable_for(pod: Pod, min_ready_seconds: int, now: datetime) -> float:
    """Return the seconds until the pod is available: ready for minReadySeconds. Infinite when it is not ready."""
    if not pod.ready:
        return float("inf")
    since = _ready_since(pod)
    if not min_ready_seconds or since is None:
        return 0.0
    return max(0.0, _moment(since) + min_ready_seconds - now.timestamp())


def next_available(pods: Iterable[Pod], min_ready_seconds: int, now: datetime) -> float | None:
    """Return the seconds until the next of these pods becomes available; None where time alone does not do it."""
    times = (unavailable_for(pod, min_ready_seconds, now) for pod in pods)
    return min((left for left in times if 0 < left < float("inf")), default=None)


def status(replica_set: Replicated, pods: Sequence[Pod], now: datetime, failure: Condition | None) -> ReplicaSetStatus:
    """Return the status computed from the pods; conditions that others set are kept."""
    alive = [pod for pod in pods if active(pod)]
    desired = replica_set.spec.template.labels.items()
    return ReplicaSetStatus(
        replicas=len(alive),
        fully_labeled_replicas=sum(desired <= pod.metadata.labels.items() for pod in alive),
        ready_replicas=sum(pod.ready for pod in alive),
        available_replicas=sum(unavailable_for(pod, replica_set.spec.min_ready_seconds, now) == 0 for pod in alive),
        terminating_replicas=sum(map(terminating, pods)) if isinstance(replica_set, ReplicaSet) else None,
        observed_generation=replica_set.metadata.generation,
        conditions=_conditions(replica_set, failure),
    )


def _conditions(replica_set: Replicated, failure: Condition | None) -> tuple[Condition, ...]:
    """Return the conditions with ReplicaFailure set or removed; a failure keeps the time and text of its start."""
    before = replica_set.status.conditions
    if failure is not None and any(condition.type == REPLICA_FAILURE for condition in before):
        return before
    kept = tuple(condition for condition in before if condition.type != REPLICA_FAILURE)
    return (*kept, failure) if failure is not None else kept


def pod_body(kind: Kind[Any], replica_set: Replicated, name: str) -> dict[str, Any]:
    """Return a new pod of the set as JSON."""
    template = replica_set.spec.template
    return {
        "metadata": {
            **template.metadata,
            "name": name,
            "generateName": f"{replica_set.metadata.name}-",
            "namespace": replica_set.metadata.namespace,
            "ownerReferences": [reference(kind, replica_set)],
        },
        "spec": template.spec,
    }


def name_prefix(owner: Object) -> str:
    """Return the prefix of the names of an owner's pods; five random characters follow."""
    return f"{owner.metadata.name}-"[:LONGEST_NAME_BASE]


def _ready_since(pod: Pod) -> str | None:
    return next((c.last_transition_time for c in pod.status.conditions if c.type == "Ready"), None)


def _moment(text: str | None) -> float:
    """Return an RFC 3339 time as seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def _deletion_cost(pod: Pod) -> int:
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0
