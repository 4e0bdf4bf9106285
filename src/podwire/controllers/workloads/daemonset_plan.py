"""The next step of a DaemonSet: nodes that need a pod, pods to delete; and its status. Pure.

Source: kubernetes `pkg/controller/daemon/daemon_controller.go`, `update.go`, `util/daemonset_util.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.machinery.owner_references import reference
from podwire.controllers.nodes import node_affinity
from podwire.controllers.workloads.controller_revisions import HASH_LABEL
from podwire.controllers.workloads.replicaset_plan import unavailable_for
from podwire.kube.apps import DaemonSetStatus, scaled
from podwire.kube.core import PodSpec
from podwire.kube.kinds import DAEMON_SETS
from podwire.kube.scheduling import NO_EXECUTE, NO_SCHEDULE, Toleration

if TYPE_CHECKING:
    from podwire.kube.apps import DaemonSet
    from podwire.kube.core import Node, Pod

EXECUTE_TAINTS = (node_affinity.NOT_READY, node_affinity.UNREACHABLE)
CONDITION_TAINTS = ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


class Plan(msgspec.Struct, frozen=True):
    """The next step: nodes that get a pod, pods to delete."""

    create: tuple[str, ...] = ()
    delete: tuple[Pod, ...] = ()


@dataclass(slots=True)
class _NodeState:
    """The pods of one node, of the current template and of older ones, without terminating and finished pods."""

    new: list[Pod]
    old: list[Pod]


def expected(spec: PodSpec, node: Node) -> bool:
    """Return whether the node should run a pod."""
    tolerations = (*spec.tolerations, *own_tolerations(spec))
    if node.metadata.deletion_timestamp is not None or not node_affinity.selects(spec, node):
        return False
    return node_affinity.untolerated(tolerations, node.spec.taints) is None


def kept(spec: PodSpec, node: Node) -> bool:
    """Return whether an existing pod of the node may continue: NoSchedule taints do not evict it."""
    tolerations = (*spec.tolerations, *own_tolerations(spec))
    return (
        node_affinity.selects(spec, node)
        and node_affinity.untolerated(tolerations, node.spec.taints, (NO_EXECUTE,)) is None
    )


def own_tolerations(spec: PodSpec) -> list[Toleration]:
    """Return the tolerations that every daemon pod gets: for node conditions and for cordoned nodes."""
    lasting = [Toleration(key=key, operator="Exists", effect=NO_EXECUTE) for key in EXECUTE_TAINTS]
    names = [*CONDITION_TAINTS, *(["network-unavailable"] if spec.host_network else [])]
    return lasting + [
        Toleration(key=f"node.kubernetes.io/{name}", operator="Exists", effect=NO_SCHEDULE) for name in names
    ]


def node_of(pod: Pod) -> str:
    """Return the node that a pod runs on, or was created for."""
    if pod.spec.node_name:
        return pod.spec.node_name
    required = pod.spec.affinity.node_affinity.required
    fields = (line for term in (required.node_selector_terms if required else ()) for line in term.match_fields)
    return next((line.values[0] for line in fields if line.key == "metadata.name" and line.values), "")


def plan(daemon_set: DaemonSet, pods: Sequence[Pod], nodes: Sequence[Node], revision: str, now: datetime) -> Plan:
    """Return the next step. `revision` is the hash of the current template."""
    if daemon_set.metadata.deletion_timestamp is not None:
        return Plan()
    spec = msgspec.convert(daemon_set.spec.template.spec, PodSpec)
    by_node = _by_node(pods)
    known = {node.metadata.name: node for node in nodes}
    create: list[str] = []
    delete = [pod for pod in pods if pod.finished and not _terminating(pod)]
    for name, mine in by_node.items():
        node = known.get(name)
        if node is None or not kept(spec, node):
            delete += mine
    serving = {name: _state(by_node.get(name, []), revision) for name, node in known.items() if expected(spec, node)}
    terminating = {node_of(pod) for pod in pods if _terminating(pod)}
    for name, state in serving.items():
        if not state.new and not state.old and name not in terminating:
            create.append(name)
        delete += _surplus(state.new) + _surplus(state.old)
    if daemon_set.spec.update_strategy.type == "RollingUpdate":
        surged, ended = _update(daemon_set, serving, now)
        create += surged
        delete += ended
    return Plan(tuple(create), tuple({pod.metadata.uid: pod for pod in delete}.values()))


def _update(daemon_set: DaemonSet, serving: Mapping[str, _NodeState], now: datetime) -> tuple[list[str], list[Pod]]:
    """Return nodes that get a surge pod, and old pods to delete: unavailable ones at once, others by maxUnavailable."""
    rolling = daemon_set.spec.update_strategy.rolling_update
    surge = scaled(rolling.max_surge, len(serving), round_up=True)
    away = scaled(rolling.max_unavailable, len(serving), round_up=True)
    surge, away = (surge, away) if surge or away else (0, 1)
    available = {name: _available(daemon_set, (*s.new, *s.old), now) for name, s in serving.items()}
    budget = away - sum(not fine for fine in available.values())
    surge -= sum(bool(s.new and s.old) for s in serving.values())
    surged: list[str] = []
    ended: list[Pod] = []
    for name, state in serving.items():
        if not state.old:
            continue
        if not available[name] or _available(daemon_set, state.new, now):
            ended += state.old
        elif rolling.max_surge and surge > 0 and not state.new:
            surged.append(name)
            surge -= 1
        elif not rolling.max_surge and budget > 0:
            ended += state.old
            budget -= 1
    return surged, ended


def status(
    daemon_set: DaemonSet, pods: Sequence[Pod], nodes: Sequence[Node], revision: str, now: datetime
) -> DaemonSetStatus:
    """Return the status computed from the pods."""
    spec = msgspec.convert(daemon_set.spec.template.spec, PodSpec)
    by_node = _by_node(pods)
    desired = [node.metadata.name for node in nodes if expected(spec, node)]
    serving = [by_node[name] for name in desired if by_node.get(name)]
    available = sum(_available(daemon_set, mine, now) for mine in serving)
    return DaemonSetStatus(
        observed_generation=daemon_set.metadata.generation,
        desired_number_scheduled=len(desired),
        current_number_scheduled=len(serving),
        number_misscheduled=sum(bool(mine) for name, mine in by_node.items() if name not in desired),
        number_ready=sum(any(pod.ready for pod in mine) for mine in serving),
        updated_number_scheduled=sum(any(_is_new(pod, revision) for pod in mine) for mine in serving),
        number_available=available,
        number_unavailable=len(desired) - available,
        collision_count=daemon_set.status.collision_count,
    )


def pod_body(daemon_set: DaemonSet, node: str, name: str, revision: str) -> dict[str, Any]:
    """Return a pod for one node as JSON: its affinity names this node only."""
    template = daemon_set.spec.template
    spec = msgspec.convert(template.spec, PodSpec)
    tolerations = [*(template.spec.get("tolerations") or []), *msgspec.to_builtins(own_tolerations(spec))]
    return {
        "metadata": {
            **template.metadata,
            "labels": {**template.labels, HASH_LABEL: revision},
            "name": name,
            "generateName": f"{daemon_set.metadata.name}-",
            "namespace": daemon_set.metadata.namespace,
            "ownerReferences": [reference(DAEMON_SETS, daemon_set)],
        },
        "spec": {**template.spec, "affinity": _on(node, template.spec.get("affinity")), "tolerations": tolerations},
    }


def _on(node: str, affinity: dict[str, Any] | None) -> dict[str, Any]:
    """Return the affinity with this node in place of what it required, which `expected` has evaluated already."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    required = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    mine = {**((affinity or {}).get("nodeAffinity") or {}), REQUIRED: required}
    return {**(affinity or {}), "nodeAffinity": mine}


def _by_node(pods: Iterable[Pod]) -> dict[str, list[Pod]]:
    found: dict[str, list[Pod]] = {}
    for pod in pods:
        if not pod.finished and not _terminating(pod):
            found.setdefault(node_of(pod), []).append(pod)
    return found


def _state(pods: Sequence[Pod], revision: str) -> _NodeState:
    new = [pod for pod in pods if _is_new(pod, revision)]
    return _NodeState(new, [pod for pod in pods if pod not in new])


def _surplus(pods: Sequence[Pod]) -> list[Pod]:
    """Return all pods but the best: ready, then scheduled, then oldest."""
    best_first = sorted(
        pods,
        key=lambda pod: (not pod.ready, not pod.spec.node_name, pod.metadata.creation_timestamp, pod.metadata.name),
    )
    return best_first[1:]


def _available(daemon_set: DaemonSet, pods: Iterable[Pod], now: datetime) -> bool:
    return any(unavailable_for(pod, daemon_set.spec.min_ready_seconds, now) == 0 for pod in pods)


def _is_new(pod: Pod, revision: str) -> bool:
    return pod.metadata.labels.get(HASH_LABEL) == revision


def _terminating(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is not None
