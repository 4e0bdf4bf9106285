"""May this connection be? The answer from the model alone, with the policies that decide it.

The rows in the kernel mean the same; tests compare both with each other and with real packets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from podwire.policy.model import Block, Direction, Party, Pods, PortName, Rule

if TYPE_CHECKING:
    from podwire.kube.meta import NamespacedName
    from podwire.policy.view import View


@dataclass(frozen=True, slots=True)
class RuleReference:
    """One rule of a policy: `spec.ingress[index]` or `spec.egress[index]`."""

    policy: NamespacedName
    direction: Direction
    index: int

    def __str__(self) -> str:
        return f"{self.policy} {self.direction.value}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The policies of one end: which isolate it, and which rules admit the other end."""

    isolated_by: tuple[NamespacedName, ...] = ()
    admitted_by: tuple[RuleReference, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether this end agrees."""
        return bool(self.admitted_by) or not self.isolated_by


@dataclass(frozen=True, slots=True)
class Verdict:
    """Both ends must agree. `exempt` is the reason where no policy applies."""

    egress: Judgement = Judgement()
    ingress: Judgement = Judgement()
    exempt: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the connection may be."""
        return self.egress.allowed and self.ingress.allowed


def verdict(view: View, source: Party, destination: Party, protocol: str, port: int | None = None) -> Verdict:
    """Judge a new connection to the real destination, after a Service's address was translated.

    `protocol` is TCP, UDP, SCTP or any other; `port` is None for those without ports.
    """
    if source.identity and source.address == destination.address:
        return Verdict(exempt="a pod always reaches itself")
    if source.identity is None and source.node and source.node == destination.node:
        return Verdict(exempt="a node always reaches its own pods")
    packet = _Packet(source, destination, protocol, port)
    return Verdict(_judge(view, Direction.EGRESS, packet), _judge(view, Direction.INGRESS, packet))


@dataclass(frozen=True, slots=True)
class _Packet:
    source: Party
    destination: Party
    protocol: str
    port: int | None


def _judge(view: View, direction: Direction, packet: _Packet) -> Judgement:
    outwards = direction is Direction.EGRESS
    subject = packet.source if outwards else packet.destination
    if subject.identity is None:
        return Judgement()
    policies = view.selecting(subject.identity, direction)
    admitted = (
        RuleReference(policy.key, direction, index)
        for policy in policies
        for index, rule in enumerate(policy.rules(direction) or ())
        if _admits(view, rule, policy.key.namespace, direction, packet)
    )
    return Judgement(tuple(policy.key for policy in policies), tuple(admitted))


def _admits(view: View, rule: Rule, home: str, direction: Direction, packet: _Packet) -> bool:
    outwards = direction is Direction.EGRESS
    other = packet.destination if outwards else packet.source
    for peer in rule.peers if rule.peers is not None else (None,):
        if _is_peer(view, peer, home, other) and _has_port(rule, packet):
            return True
    return False


def _is_peer(view: View, peer: Pods | Block | None, home: str, party: Party) -> bool:
    if isinstance(peer, Block):
        return peer.holds(party.address)
    return peer is None or (party.identity is not None and view.matches(peer, home, party.identity))


def _has_port(rule: Rule, packet: _Packet) -> bool:
    """Whether the rule allows the packet's port. A name is looked up at the pod that receives."""
    if rule.ports is None:
        return True
    for port in rule.ports:
        if packet.port is None or port.protocol != packet.protocol:
            continue
        if isinstance(port, PortName):
            receiver = packet.destination.identity
            if receiver and packet.port in port.numbers(receiver):
                return True
        elif port.first <= packet.port <= port.last:
            return True
    return False
