"""May this connection be? The answer from the model alone, with the policies that decide it.

The rows in the kernel mean the same; tests compare both with each other and with real packets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.policy.model import Block, Direction, Party, Pods, PortName, Ports, Rule
from podwire.policy.tiers import Action, Tier

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.kube.meta import NamespacedName
    from podwire.policy.model import Identity
    from podwire.policy.tiers import ClusterPolicy, TierRule
    from podwire.policy.view import View


class RuleReference(msgspec.Struct, frozen=True, gc=False):
    """One rule of a policy: `spec.ingress[index]` or `spec.egress[index]`."""

    policy: NamespacedName
    direction: Direction
    index: int

    def __str__(self) -> str:
        return f"{self.policy} {self.direction.value}[{self.index}]"


class TierReference(msgspec.Struct, frozen=True, gc=False):
    """A rule of a ClusterNetworkPolicy that decides: `spec.ingress[index]` or `spec.egress[index]`; `name` is its own.

    Of tier DEFAULT it is no object's: all is denied that nothing admits (`--default-deny`).
    """

    tier: Tier
    policy: str
    direction: Direction
    index: int
    action: Action
    name: str = ""

    def __str__(self) -> str:
        name = f" ({self.name})" if self.name else ""
        return f"{self.policy} {self.direction.value}[{self.index}]{name}"


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """The policies of one end: which isolate it, which rules admit the other end, and which rule decides without them.

    `decided_by` is the rule of a ClusterNetworkPolicy: of the Admin tier, or of a later one where none isolates.
    `unknown`: the other end has an address of pods and is none that is known, and rules deny by what pods are.
    """

    isolated_by: tuple[NamespacedName, ...] = ()
    admitted_by: tuple[RuleReference, ...] = ()
    decided_by: TierReference | None = None
    unknown: bool = False

    @property
    def allowed(self) -> bool:
        """Whether this end agrees."""
        if self.unknown:
            return False
        if self.decided_by is not None:
            return self.decided_by.action is Action.ACCEPT
        return bool(self.admitted_by) or not self.isolated_by


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """Both ends must agree. `exempt` is the reason where no policy applies."""

    egress: Judgement = Judgement()
    ingress: Judgement = Judgement()
    exempt: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the connection may be."""
        return self.egress.allowed and self.ingress.allowed


def verdict(
    view: View,
    source: Party,
    destination: Party,
    protocol: str,
    port: int | None = None,
    *,
    established: bool = False,
) -> Verdict:
    """Judge a new connection to the real destination, after a Service's address was translated.

    For an established one the addresses count that domain names had before, too.

    `protocol` is TCP, UDP, SCTP or any other; `port` is None for those without ports.
    """
    if source.identity and source.address == destination.address:
        return Verdict(exempt="a pod always reaches itself")
    if source.identity is None and source.node and source.node == destination.node:
        return Verdict(exempt="a node always reaches its own pods")
    packet = _Packet(source, destination, protocol, port, established)
    return Verdict(_judge(view, Direction.EGRESS, packet), _judge(view, Direction.INGRESS, packet))


class _Packet(msgspec.Struct, frozen=True, gc=False):
    source: Party
    destination: Party
    protocol: str
    port: int | None
    established: bool


def _judge(view: View, direction: Direction, packet: _Packet) -> Judgement:
    outwards = direction is Direction.EGRESS
    subject = packet.source if outwards else packet.destination
    if subject.identity is None:
        return Judgement()
    if _is_unknown(view, direction, subject.identity, packet.destination if outwards else packet.source):
        return Judgement(unknown=True)
    policies = view.selecting(subject.identity, direction)
    decided = _decided_by(view, direction, packet, isolated=bool(policies))
    admitted = (
        RuleReference(policy.key, direction, index)
        for policy in policies
        for index, rule in enumerate(policy.rules(direction) or ())
        if _admits(view, rule, policy.key.namespace, direction, packet)
    )
    return Judgement(tuple(policy.key for policy in policies), tuple(admitted), decided)


def _is_unknown(view: View, direction: Direction, subject: Identity, other: Party) -> bool:
    """Whether the other end may be a pod that this node does not know yet, and such are closed to the subject."""
    outside = other.identity is None and view.tiers.ranges.is_pods(other.address)
    return outside and view.tiers.meets_known_only(subject, direction)


def _decided_by(view: View, direction: Direction, packet: _Packet, *, isolated: bool) -> TierReference | None:
    """Return the rule of a ClusterNetworkPolicy that decides; after the Admin tier only where none isolates."""
    passed: Tier | None = None
    for policy, index, rule in _matching(view, direction, packet):
        if policy.tier is passed:
            continue
        if isolated and policy.tier is not Tier.ADMIN:
            return None
        if rule.action is not Action.PASS:
            return TierReference(policy.tier, policy.name, direction, index, rule.action, rule.name)
        passed = policy.tier
    return None


def _matching(view: View, direction: Direction, packet: _Packet) -> Iterator[tuple[ClusterPolicy, int, TierRule]]:
    """The rules that match the packet, in the order in which they decide."""
    outwards = direction is Direction.EGRESS
    subject, other = (packet.source, packet.destination) if outwards else (packet.destination, packet.source)
    assert subject.identity is not None, "only pods are subjects"
    for policy in view.tiers.selecting(subject.identity):
        for index, rule in enumerate(policy.rules(direction)):
            if _has_port(rule.ports, packet) and (
                rule.peers is None
                or any(
                    view.tiers.is_peer(peer, other.address, other.identity, established=packet.established)
                    for peer in rule.peers
                )
            ):
                yield policy, index, rule


def _admits(view: View, rule: Rule, home: str, direction: Direction, packet: _Packet) -> bool:
    outwards = direction is Direction.EGRESS
    other = packet.destination if outwards else packet.source
    for peer in rule.peers if rule.peers is not None else (None,):
        if _is_peer(view, peer, home, other) and _has_port(rule.ports, packet):
            return True
    return False


def _is_peer(view: View, peer: Pods | Block | None, home: str, party: Party) -> bool:
    if isinstance(peer, Block):
        return peer.holds(party.address)
    return peer is None or (party.identity is not None and view.matches(peer, home, party.identity))


def _has_port(ports: tuple[Ports | PortName, ...] | None, packet: _Packet) -> bool:
    """Whether a rule means the packet's port. A name is looked up at the pod that receives."""
    if ports is None:
        return True
    for port in ports:
        if packet.port is None or port.protocol != packet.protocol:
            continue
        if isinstance(port, PortName):
            receiver = packet.destination.identity
            if receiver and packet.port in port.numbers(receiver):
                return True
        elif port.first <= packet.port <= port.last:
            return True
    return False
