"""The health of a node: its Ready condition, its taints, and which of its pods are deleted when. Pure.

Source: kubernetes `pkg/controller/nodelifecycle/node_lifecycle_controller.go`, `pkg/controller/tainteviction`,
`pkg/controller/podgc`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.nodes import node_affinity
from podwire.kube.meta import timestamp
from podwire.kube.scheduling import NO_EXECUTE, NO_SCHEDULE, Taint

if TYPE_CHECKING:
    from podwire.kube.core import Node, Pod


class NodeHealth(msgspec.Struct, frozen=True):
    """Settings. The defaults are upstream's.

    `grace_seconds`: a node is unreachable when its Lease was not renewed for so long, and longer where the API server
    or this process is late (LeaseSilence). `unready_seconds`: a node that renews its Lease and reports that it is not
    ready, as while its network plugin is restarted, evicts pods after so long (upstream: by the default toleration).
    `force_seconds`: pods of an unreachable node that have not ended so long after their grace period are removed;
    None: never. `silence`: the message of the conditions of an unreachable node.
    """

    grace_seconds: float = 50.0
    unready_seconds: float = 300.0
    force_seconds: float | None = None
    silence: str = "Kubelet stopped posting node status."


OWN_TAINTS = frozenset({node_affinity.NOT_READY, node_affinity.UNREACHABLE, node_affinity.UNSCHEDULABLE})


class NodeState(enum.Enum):
    """The state of a node: ready, not ready by its own status, or without a renewed Lease."""

    READY = "ready"
    NOT_READY = "not ready"
    UNREACHABLE = "unreachable"


class Evictions(msgspec.Struct, frozen=True):
    """Pods to delete, pods to remove without their node, and seconds until more are due."""

    delete: tuple[Pod, ...] = ()
    force: tuple[Pod, ...] = ()
    again_after: float | None = None


def state_of(node: Node, now: datetime, *, silent: bool, grace_seconds: float) -> NodeState:
    """Return the state of the node. One that is not ready for a moment, as when its agent restarts, is ready."""
    if silent:
        return NodeState.UNREACHABLE
    unready = unready_for(node, now)
    return NodeState.NOT_READY if unready is not None and unready >= grace_seconds else NodeState.READY


def unready_for(node: Node, now: datetime) -> float | None:
    """Return for how many seconds the node has reported that it is not ready; None where it is, or reported nothing."""
    ready = next((condition for condition in node.status.conditions if condition.type == "Ready"), None)
    if ready is None or ready.status == "True" or ready.last_transition_time is None:
        return None
    return -_seconds_until(ready.last_transition_time, now)


def taints(node: Node, state: NodeState, now: datetime, *, evict: bool) -> list[dict[str, Any]]:
    """Return the taints of the node: this controller's by the state, and those of others as they are.

    `evict` is False while the Leases of all nodes are late: then the fault is likely elsewhere, and no pod is evicted.
    """
    desired: list[tuple[str, str]] = []
    key = {NodeState.NOT_READY: node_affinity.NOT_READY, NodeState.UNREACHABLE: node_affinity.UNREACHABLE}.get(state)
    if key is not None:
        desired += [(key, NO_SCHEDULE), *([(key, NO_EXECUTE)] if evict else [])]
    if node.spec.unschedulable:
        desired.append((node_affinity.UNSCHEDULABLE, NO_SCHEDULE))
    have = {(taint.key, taint.effect): taint for taint in node.spec.taints}
    others = [taint for taint in node.spec.taints if taint.key not in OWN_TAINTS]
    mine = [have.get(pair) or Taint(key=pair[0], effect=pair[1], time_added=timestamp(now)) for pair in desired]
    return [msgspec.to_builtins(taint) for taint in (*others, *mine)]


def evicts(node: Node) -> bool:
    """Return whether the node has a taint of this controller by which it evicts pods."""
    return any(taint.key in OWN_TAINTS and taint.effect == NO_EXECUTE for taint in node.spec.taints)


def silence(node: Node, message: str, now: datetime) -> dict[str, Any]:
    """Return the status patch of a node whose Lease is not renewed: all its conditions are Unknown."""
    conditions = [
        {
            "type": condition.type,
            "status": "Unknown",
            "reason": "NodeStatusUnknown",
            "message": message,
            "lastTransitionTime": timestamp(now),
        }
        for condition in node.status.conditions
    ]
    return {"status": {"conditions": conditions}}


def unready(pod: Pod, now: datetime) -> dict[str, Any] | None:
    """Return the status patch that makes a pod of an unreachable node unready; None where it is already."""
    if not pod.ready:
        return None
    conditions: list[dict[str, Any]] = [msgspec.to_builtins(condition) for condition in pod.status.conditions]
    for condition in conditions:
        if condition["type"] == "Ready":
            condition |= {"status": "False", "reason": "NodeNotReady", "lastTransitionTime": timestamp(now)}
    return {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": conditions}}


def disrupted(pod: Pod, reason: str, message: str, now: datetime, *, failed: bool) -> dict[str, Any]:
    """Return the status patch of a pod that is about to be deleted; `failed` ends it, where its node cannot."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(now),
    }
    others = [msgspec.to_builtins(one) for one in pod.status.conditions if one.type != condition["type"]]
    phase = {"phase": "Failed"} if failed and not pod.finished else {}
    return {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [*others, condition], **phase}}


def evictions(
    node: Node, state: NodeState, pods: Sequence[Pod], now: datetime, force_seconds: float | None = None
) -> Evictions:
    """Return the pods to delete: those that do not tolerate the node's taints, at once or when their time is over."""
    harmful = [taint for taint in node.spec.taints if taint.effect == NO_EXECUTE]
    delete: list[Pod] = []
    force: list[Pod] = []
    waits: list[float] = []
    for pod in pods:
        if pod.metadata.deletion_timestamp is not None:
            if state is NodeState.UNREACHABLE and force_seconds is not None:
                left = _seconds_until(pod.metadata.deletion_timestamp, now) + _since_deletion(pod) + force_seconds
                _due(pod, left, force, waits)
        elif (left_here := stays_for(pod, harmful, now)) is not None:
            _due(pod, left_here, delete, waits)
    return Evictions(tuple(delete), tuple(force), min(waits, default=None))


def stays_for(pod: Pod, harmful: Iterable[Taint], now: datetime) -> float | None:
    """Return the seconds until these taints evict a pod; None where it tolerates them."""
    times: list[float] = []
    for taint in harmful:
        lines = [line for line in pod.spec.tolerations if line.tolerates(taint)]
        if not lines:
            return 0.0
        limits = [line.toleration_seconds for line in lines if line.toleration_seconds is not None]
        if limits:
            since = taint.time_added or timestamp(now)
            times.append(_seconds_until(since, now) + max(0, min(limits)))
    return min(times, default=None)


def _due(pod: Pod, left: float, due: list[Pod], waits: list[float]) -> None:
    if left <= 0:
        due.append(pod)
    else:
        waits.append(left)


def _since_deletion(pod: Pod) -> float:
    """Return the seconds from deletionTimestamp, the end of the grace period, to the request."""
    return -float(pod.metadata.deletion_grace_period_seconds or 0)


def _seconds_until(moment: str, now: datetime) -> float:
    return (datetime.fromisoformat(moment) - now) / timedelta(seconds=1)
