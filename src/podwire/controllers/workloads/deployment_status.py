"""The status of a Deployment: counts, and the conditions Available and Progressing. Pure.

`kubectl rollout status` reads it. Source: kubernetes `pkg/controller/deployment/progress.go`, `sync.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from podwire.controllers.workloads.deployment_rollout import bounds
from podwire.kube.apps import DeploymentCondition, DeploymentStatus
from podwire.kube.meta import timestamp

if TYPE_CHECKING:
    from podwire.kube.apps import Deployment, ReplicaSet

COMPLETE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
OWN_CONDITIONS = frozenset({"Available", "Progressing", "ReplicaFailure"})
NO_DEADLINE = 2**31 - 1
"""progressDeadlineSeconds of a Deployment whose progress is not watched: it has no condition Progressing."""


class State(msgspec.Struct, frozen=True):
    """Status, reason and message of a condition. `fresh` renews its lastUpdateTime even where nothing differs."""

    status: str
    reason: str
    message: str
    fresh: bool = False


def status(
    deployment: Deployment, current: ReplicaSet | None, old: Sequence[ReplicaSet], now: datetime
) -> DeploymentStatus:
    """Return the status of the Deployment now."""
    sets = [*old, current] if current else list(old)
    counts = DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(s.status.replicas for s in sets),
        updated_replicas=current.status.replicas if current else 0,
        ready_replicas=sum(s.status.ready_replicas for s in sets),
        available_replicas=(available := sum(s.status.available_replicas for s in sets)),
        unavailable_replicas=max(0, sum(s.spec.replicas for s in sets) - available),
        terminating_replicas=_terminating(sets),
        collision_count=deployment.status.collision_count,
    )
    states = {"Available": availability(deployment, available)}
    if deployment.spec.progress_deadline_seconds != NO_DEADLINE:
        states["Progressing"] = progress(deployment, counts, current, now)
    failure = next((c for s in sets for c in s.status.conditions if c.type == "ReplicaFailure"), None)
    if failure is not None:
        states["ReplicaFailure"] = State(failure.status, failure.reason, failure.message)
    before = {c.type: c for c in deployment.status.conditions}
    others = (c for c in deployment.status.conditions if c.type not in OWN_CONDITIONS)
    own = (_condition(before.get(kind), kind, state, timestamp(now)) for kind, state in states.items())
    conditions = (*others, *own)
    return msgspec.structs.replace(counts, conditions=conditions)


def _terminating(sets: Sequence[ReplicaSet]) -> int | None:
    """Return the terminating pods of all sets; None while a set has not reported its own."""
    counts = [s.status.terminating_replicas for s in sets if s.status.observed_generation]
    return None if None in counts else sum(count or 0 for count in counts)


def availability(deployment: Deployment, available: int) -> State:
    """Return the condition Available: whether a rollout keeps enough pods available."""
    if available >= deployment.spec.replicas - bounds(deployment)[1]:
        return State("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return State("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")


def progress(deployment: Deployment, counts: DeploymentStatus, current: ReplicaSet | None, now: datetime) -> State:
    """Return the condition Progressing; a complete rollout stays complete until the template changes."""
    before = next((c for c in deployment.status.conditions if c.type == "Progressing"), None)
    reason = before.reason if before else ""
    if deployment.spec.paused:
        return State("Unknown", PAUSED, "Deployment is paused")
    if reason == PAUSED:
        return State("Unknown", "DeploymentResumed", "Deployment is resumed")
    if current is None:
        return State("True", "ReplicaSetUpdated", f'Deployment "{deployment.metadata.name}" is progressing.')
    name = f'ReplicaSet "{current.metadata.name}"'
    over = reason == COMPLETE and counts.replicas == counts.updated_replicas
    if complete(deployment, counts) or (over and before is not None and name in before.message):
        return State("True", COMPLETE, f"{name} has successfully progressed.")
    if before is None or progressed(deployment.status, counts) or reason == COMPLETE:
        return State("True", "ReplicaSetUpdated", f"{name} is progressing.", fresh=True)
    if reason == TIMED_OUT or deadline_left(deployment, now) == 0:
        return State("False", TIMED_OUT, f"{name} has timed out progressing.")
    return State(before.status, before.reason, before.message)


def complete(deployment: Deployment, counts: DeploymentStatus) -> bool:
    """Return whether all desired pods are of the current template and available, and no others are left."""
    desired = deployment.spec.replicas
    return counts.updated_replicas == counts.replicas == counts.available_replicas == desired


def progressed(before: DeploymentStatus, after: DeploymentStatus) -> bool:
    """Return whether the rollout made progress."""
    return (
        after.updated_replicas > before.updated_replicas
        or after.ready_replicas > before.ready_replicas
        or after.available_replicas > before.available_replicas
        or after.replicas - after.updated_replicas < before.replicas - before.updated_replicas
    )


def deadline_left(deployment: Deployment, now: datetime) -> float | None:
    """Return the seconds until a rollout without progress times out; None for one that is complete or paused."""
    before = next((c for c in deployment.status.conditions if c.type == "Progressing"), None)
    if before is None or before.last_update_time is None or before.reason in {COMPLETE, TIMED_OUT, PAUSED}:
        return None
    since = datetime.fromisoformat(before.last_update_time)
    return max(0.0, deployment.spec.progress_deadline_seconds - (now - since).total_seconds())


def _condition(before: DeploymentCondition | None, kind: str, state: State, now: str) -> DeploymentCondition:
    same = before is not None and (before.status, before.reason) == (state.status, state.reason)
    if before is not None and same and not state.fresh:
        return before
    changed = before is None or before.status != state.status
    return DeploymentCondition(
        type=kind,
        status=state.status,
        reason=state.reason,
        message=state.message,
        last_update_time=now,
        last_transition_time=now if changed or before is None else before.last_transition_time,
    )
