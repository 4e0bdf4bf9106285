"""Which backends of one port of a Service a node uses under a traffic policy, and why it leaves out the others. Pure.

The proxy programs what `choose` returns, `explain` prints `reasons` of the same result.
Source: k8s.io/kubernetes `pkg/proxy/topology.go` CategorizeEndpoints.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from podwire.kube.backends import Backend, Member


class Place(msgspec.Struct, frozen=True):
    """The node that decides. The zone is empty where the node has no label `topology.kubernetes.io/zone`."""

    node: str
    zone: str = ""


class TrafficPolicy(enum.StrEnum):
    """Values of `internalTrafficPolicy` and `externalTrafficPolicy`."""

    CLUSTER = "Cluster"
    LOCAL = "Local"

    __hash__ = str.__hash__  # that of Enum is a Python function, and keys hold policies

    @classmethod
    def of(cls, value: str | None) -> TrafficPolicy:
        """Return the policy of a field's value; all but `Local` mean `Cluster`, an absent field too."""
        return cls.LOCAL if value == "Local" else cls.CLUSTER


class Outcome(enum.StrEnum):
    """What happens to a new connection."""

    USED = "used"
    REFUSE = "refuse"
    """No endpoint in the cluster is usable: a reset or ICMP error."""
    DROP = "drop"
    """The policy is Local and only other nodes have usable endpoints: no answer, so that clients try again."""


class Topology(enum.StrEnum):
    """The kind of topology hints that chooses, after `trafficDistribution` PreferSameZone and PreferSameNode."""

    NONE = "none"
    ZONE = "zone"
    NODE = "node"


class Reason(enum.StrEnum):
    """Why a backend is used or is not."""

    USED = "used"
    NOT_READY = "not ready"
    NOT_SERVING = "not serving"
    TERMINATING = "others are ready"
    OTHER_NODE = "on another node"
    OTHER_ZONE_HINT = "for other zones"
    OTHER_NODE_HINT = "for other nodes"


class Choice(msgspec.Struct, frozen=True, gc=False):
    """The backends of new connections, in the order of the members. `fallback`: they terminate, as none is ready."""

    backends: tuple[Backend, ...]
    outcome: Outcome
    fallback: bool = False
    topology: Topology = Topology.NONE


def choose(members: Mapping[Backend, Member], place: Place, policy: TrafficPolicy) -> Choice:
    """Return what the node does with new connections; costs one pass over the members unless none is ready.

    Ready backends are used; without any, those that still serve while they terminate. The two policies decide that
    separately: Local looks at this node's backends only and never uses another node's. Topology hints restrict
    Cluster only, and only ready backends.
    """
    if policy is TrafficPolicy.LOCAL:
        return _local(members, place)
    ready = [member for member in members.values() if member.ready]
    if not ready:
        return _terminating(members)
    topology = _topology(ready, place)
    if topology is Topology.NODE:
        return _hinted(topology, (b for b, m in members.items() if m.ready and place.node in m.node_hints))
    if topology is Topology.ZONE:
        return _hinted(topology, (b for b, m in members.items() if m.ready and place.zone in m.zone_hints))
    if len(ready) == len(members):  # the usual case, without a look at each again
        return Choice(tuple(members), Outcome.USED)
    return Choice(tuple(backend for backend, member in members.items() if member.ready), Outcome.USED)


def reasons(
    members: Mapping[Backend, Member], place: Place, policy: TrafficPolicy, choice: Choice
) -> Mapping[Backend, Reason]:
    """Return the reason for each member, where `choice` is what `choose` returned for the same arguments."""
    used = frozenset(choice.backends)
    return {
        backend: Reason.USED if backend in used else _left_out(member, place, policy, choice)
        for backend, member in members.items()
    }


def _local(members: Mapping[Backend, Member], place: Place) -> Choice:
    """Return this node's backends. One without a node name is local to no node, as for kube-proxy."""
    here = {backend: member for backend, member in members.items() if member.node == place.node}
    ready = tuple(backend for backend, member in here.items() if member.ready)
    if ready:
        return Choice(ready, Outcome.USED)
    found = _terminating(here)
    if found.backends or not any(map(_usable, members.values())):
        return found
    return Choice((), Outcome.DROP)


def _hinted(topology: Topology, backends: Iterable[Backend]) -> Choice:
    return Choice(tuple(backends), Outcome.USED, topology=topology)


def _terminating(members: Mapping[Backend, Member]) -> Choice:
    """Return those that still serve, where none is ready."""
    backends = tuple(backend for backend, member in members.items() if member.serves_terminating)
    return Choice(backends, Outcome.USED, fallback=True) if backends else Choice((), Outcome.REFUSE)


def _usable(member: Member) -> bool:
    return member.ready or member.serves_terminating


def _topology(ready: Sequence[Member], place: Place) -> Topology:
    """Return the hints that apply: of one kind, every ready member must have some, and one must name this place."""
    if all(member.node_hints for member in ready) and any(place.node in member.node_hints for member in ready):
        return Topology.NODE
    if not place.zone or not all(member.zone_hints for member in ready):
        return Topology.NONE
    return Topology.ZONE if any(place.zone in member.zone_hints for member in ready) else Topology.NONE


def _left_out(member: Member, place: Place, policy: TrafficPolicy, choice: Choice) -> Reason:
    """Return why a member is not used: what its own state forbids first, then what the place does."""
    if not _usable(member):
        return Reason.NOT_SERVING if member.terminating else Reason.NOT_READY
    if policy is TrafficPolicy.LOCAL and member.node != place.node:
        return Reason.OTHER_NODE
    if not member.ready:
        return Reason.TERMINATING
    return Reason.OTHER_NODE_HINT if choice.topology is Topology.NODE else Reason.OTHER_ZONE_HINT
