"""The node for a pod. Pure.

Source: kube-scheduler's NodeReady, NodeUnschedulable, NodeAffinity, TaintToleration and NodePorts checks; spreading is
simpler than upstream's: fewest pods of the same owner, then fewest pods at all, then the first by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from podwire.controllers.nodes import node_affinity
from podwire.kube.host_ports import HostPort, conflict, host_ports

if TYPE_CHECKING:
    from podwire.kube.core import Node, Pod

NOT_READY = "node(s) were not ready"
UNSCHEDULABLE = "node(s) were unschedulable"
UNTOLERATED = "node(s) had untolerated taint"
NO_PORTS = "node(s) didn't have free ports for the requested pod ports"
NO_MATCH = "node(s) didn't match Pod's node affinity/selector"


class Placed(msgspec.Struct, frozen=True):
    """The pod fits this node best."""

    node: str


class Unplaced(msgspec.Struct, frozen=True):
    """No node fits the pod; the message has kube-scheduler's wording."""

    message: str


class _Assignment(msgspec.Struct, frozen=True):
    """A pod on a node."""

    owner: str
    node: str
    ports: frozenset[HostPort]


class Loads:
    """The pods of each node, counted by owner, and the host ports they take: a placement reads no other pod."""

    def __init__(self) -> None:
        self._assignments: dict[str, _Assignment] = {}
        self._pods: Counter[str] = Counter()
        self._of_owner: Counter[tuple[str, str]] = Counter()
        self._ports: dict[str, Counter[HostPort]] = {}

    def add(self, uid: str, owner: str, node: str, ports: frozenset[HostPort] = frozenset()) -> None:
        """Assign the pod to the node; it leaves another one."""
        self.remove(uid)
        self._assignments[uid] = _Assignment(owner, node, ports)
        self._pods[node] += 1
        self._of_owner[owner, node] += 1
        if ports:
            self._ports.setdefault(node, Counter()).update(ports)

    def remove(self, uid: str) -> bool:
        """Remove the pod from its node; return whether that frees host ports."""
        gone = self._assignments.pop(uid, None)
        if gone is None:
            return False
        self._pods[gone.node] -= 1
        self._of_owner[gone.owner, gone.node] -= 1
        if not self._of_owner[gone.owner, gone.node]:
            del self._of_owner[gone.owner, gone.node]
        if gone.ports:
            left = self._ports[gone.node] - Counter(gone.ports)
            self._ports[gone.node] = left
        return bool(gone.ports)

    def node_of(self, uid: str) -> str | None:
        """Return the node of a pod."""
        found = self._assignments.get(uid)
        return found.node if found else None

    def rank(self, owner: str, node: str) -> tuple[int, int, str]:
        """Return a sort key; the lowest node is the best."""
        return (self._of_owner[owner, node] if owner else 0), self._pods[node], node

    def has_free(self, node: str, ports: frozenset[HostPort]) -> bool:
        """Return whether the node has all these host ports free."""
        return not ports or not conflict(ports, self._ports.get(node, ()))


def place(pod: Pod, owner: str, nodes: Iterable[Node], loads: Loads) -> Placed | Unplaced:
    """Return the best node for a pod, or why there is none."""
    reasons: Counter[str] = Counter()
    feasible = []
    ports = host_ports(pod)
    for node in nodes:
        reason = refusal(pod, node) or ("" if loads.has_free(node.metadata.name, ports) else NO_PORTS)
        if reason:
            reasons[reason] += 1
        else:
            feasible.append(node.metadata.name)
    if feasible:
        return Placed(min(feasible, key=lambda name: loads.rank(owner, name)))
    if not reasons:
        return Unplaced("no nodes available to schedule pods")
    message = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return Unplaced(f"0/{reasons.total()} nodes are available: {message}.")


def refusal(pod: Pod, node: Node) -> str:
    """Return why the pod does not fit the node; empty when it does."""
    tolerations = pod.spec.tolerations
    if node.metadata.deletion_timestamp is not None:
        return NOT_READY
    if not node.ready and not node_affinity.tolerates(tolerations, node_affinity.NOT_READY):
        return NOT_READY
    if node.spec.unschedulable and not node_affinity.tolerates(tolerations, node_affinity.UNSCHEDULABLE):
        return UNSCHEDULABLE
    if not node_affinity.selects(pod.spec, node):
        return NO_MATCH
    others = (taint for taint in node.spec.taints if taint.key != node_affinity.UNSCHEDULABLE)
    taint = node_affinity.untolerated(tolerations, others)
    return f"{UNTOLERATED} {{{taint.key}: {taint.value}}}" if taint is not None else ""
