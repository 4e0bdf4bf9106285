"""On which node a pod goes. Pure.

Source: kube-scheduler's NodeReady, NodeUnschedulable, NodeAffinity and TaintToleration checks; spreading is simpler
than upstream's: fewest pods of the same owner, then fewest pods at all, then the first by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from podwire.controllers.nodes import node_affinity

if TYPE_CHECKING:
    from podwire.kube.core import Node, Pod

NOT_READY = "node(s) were not ready"
UNSCHEDULABLE = "node(s) were unschedulable"
UNTOLERATED = "node(s) had untolerated taint"
NO_MATCH = "node(s) didn't match Pod's node affinity/selector"


@dataclass(frozen=True, slots=True)
class Placed:
    """The pod goes on this node."""

    node: str


@dataclass(frozen=True, slots=True)
class Unplaced:
    """No node takes the pod; the message says why, as kube-scheduler words it."""

    message: str


class Loads:
    """Which pod stands where, counted by node and by owner: a placement costs no look at other pods."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, str]] = {}
        self._pods: Counter[str] = Counter()
        self._of_owner: Counter[tuple[str, str]] = Counter()

    def put(self, uid: str, owner: str, node: str) -> None:
        """The pod takes room on this node."""
        self.take_away(uid)
        self._places[uid] = owner, node
        self._pods[node] += 1
        self._of_owner[owner, node] += 1

    def take_away(self, uid: str) -> None:
        """The pod takes room nowhere."""
        place = self._places.pop(uid, None)
        if place is None:
            return
        self._pods[place[1]] -= 1
        self._of_owner[place] -= 1
        if not self._of_owner[place]:
            del self._of_owner[place]

    def node_of(self, uid: str) -> str | None:
        """Where the pod stands."""
        place = self._places.get(uid)
        return place[1] if place else None

    def rank(self, owner: str, node: str) -> tuple[int, int, str]:
        """The lower the better."""
        return (self._of_owner[owner, node] if owner else 0), self._pods[node], node


def place(pod: Pod, owner: str, nodes: Iterable[Node], loads: Loads) -> Placed | Unplaced:
    """The best node for a pod, or why there is none."""
    reasons: Counter[str] = Counter()
    node_affinity = []
    for node in nodes:
        reason = refusal(pod, node)
        if reason:
            reasons[reason] += 1
        else:
            node_affinity.append(node.metadata.name)
    if node_affinity:
        return Placed(min(node_affinity, key=lambda name: loads.rank(owner, name)))
    if not reasons:
        return Unplaced("no nodes available to schedule pods")
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return Unplaced(f"0/{reasons.total()} nodes are available: {told}.")


def refusal(pod: Pod, node: Node) -> str:
    """Why the node does not take the pod; empty when it does."""
    tolerations = pod.spec.tolerations
    if node.metadata.deletion_timestamp is not None:
        return NOT_READY
    if not node.ready and not node_affinity.tolerates(tolerations, node_affinity.NOT_READY):
        return NOT_READY
    if node.spec.unschedulable and not node_affinity.tolerates(tolerations, node_affinity.UNSCHEDULABLE):
        return UNSCHEDULABLE
    if not node_affinity.chosen(pod.spec, node):
        return NO_MATCH
    others = (taint for taint in node.spec.taints if taint.key != node_affinity.UNSCHEDULABLE)
    taint = node_affinity.untolerated(tolerations, others)
    return f"{UNTOLERATED} {{{taint.key}: {taint.value}}}" if taint is not None else ""
