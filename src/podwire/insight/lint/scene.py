"""What checks look at: policies rule by rule with their meaning, and the sets of the answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.reach.naming import Names
from podwire.insight.reach.parties import Parties
from podwire.insight.reach.rule_sets import Axis
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.kube.meta import NamespacedName
from podwire.kube.networking import (
    NetworkPolicy,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from podwire.policy.model import Direction, Peer, Policy, PortName, Ports, Rule, policy

Step = str | int


class WrittenRule(msgspec.Struct, frozen=True):
    """One rule of a policy, as it is written and as it is meant."""

    policy: NetworkPolicy
    meaning: Policy
    direction: Direction
    index: int
    peers: tuple[NetworkPolicyPeer, ...]
    ports: tuple[NetworkPolicyPort, ...]

    @property
    def rule(self) -> Rule:
        """The meaning."""
        return (self.meaning.rules(self.direction) or ())[self.index]

    @property
    def peers_field(self) -> str:
        """The field of its peers."""
        return "from" if self.direction is Direction.INGRESS else "to"

    @property
    def path(self) -> tuple[Step, ...]:
        """Where it is in the policy."""
        return "spec", self.direction.value, self.index


class Scene:
    """The objects, who is who in the answer, and all rules."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.parties = Parties(snapshot)
        self.names = Names(self.parties)
        self.answer = self.parties.answer
        self.sets = self.answer.rule_sets
        self.family = next(iter(self.answer.families.values()))
        self.policies = tuple(zip(snapshot.policies, self.answer.question.policies, strict=True))
        self.rules = tuple(self._rules())
        self.pods = (1 << self.axis.pods) - 1

    @property
    def axis(self) -> Axis:
        """The axis of the first family: checks about pods need no more."""
        return self.family.axis

    def finding(
        self, check: str, severity: Severity, one: NetworkPolicy, path: tuple[Step, ...], *, message: str, remedy: str
    ) -> Finding:
        """Return a finding about a field of a policy."""
        place = self.snapshot.place("NetworkPolicy", one.key, *path)
        return Finding(check, severity, place, f"NetworkPolicy {one.key}", message, remedy)

    def at(self, kind: str, key: NamespacedName, *path: Step) -> str:
        """Return the place of an object's field."""
        return self.snapshot.place(kind, key, *path)

    def subjects(self, meaning: Policy) -> int:
        """Return the classes of pods that a policy selects."""
        return self.sets.subjects(meaning)

    def text(self, mask: int) -> str:
        """Return a set as words."""
        return self.names.text(self.parties.members(mask))

    def _rules(self) -> Iterator[WrittenRule]:
        for written, meaning in self.policies:
            if meaning.ingress is not None:
                for index in range(len(meaning.ingress)):
                    one = written.spec.ingress[index]
                    yield WrittenRule(written, meaning, Direction.INGRESS, index, one.from_, one.ports)
            if meaning.egress is not None:
                for index in range(len(meaning.egress)):
                    to = (written.spec.egress or ())[index]
                    yield WrittenRule(written, meaning, Direction.EGRESS, index, to.to, to.ports)


def peer_of(one: NetworkPolicyPeer) -> Peer | None:
    """Return the meaning of one peer; None where it is not valid and matches nothing."""
    found = _rule(NetworkPolicyIngressRule(from_=(one,))).peers
    return found[0] if found else None


def port_of(one: NetworkPolicyPort) -> Ports | PortName | None:
    """Return the meaning of one port; None where it is not valid and matches nothing."""
    found = _rule(NetworkPolicyIngressRule(ports=(one,))).ports
    return found[0] if found else None


def _rule(one: NetworkPolicyIngressRule) -> Rule:
    found = policy(NetworkPolicy(spec=NetworkPolicySpec(ingress=(one,), policy_types=("Ingress",)))).ingress
    assert found, "the policy has one rule"
    return found[0]
