"""What the policies of one direction allow: subjects with the same policies are one profile. Pure.

The same steps as `policy.verdict`, which judges one connection, for all peers and ports at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from podwire.insight.reach.pod_classes import PodClass
from podwire.insight.reach.rule_sets import Axis, RuleSets
from podwire.insight.reach.selector_sets import bits, numbers
from podwire.policy.model import Direction, Identity, NamedPort, Policy

Allowed = dict[int, int]
"""Sets of ports, each with the peers for whom exactly these are allowed; every peer is in one of them."""


class Profile(msgspec.Struct, frozen=True):
    """Subjects that the same policies select.

    Attributes:
        subjects: them, a bit for each.
        allowed: what their policies allow; peers to whom nothing is allowed are left out.

    """

    subjects: int
    allowed: Allowed


class _Key(msgspec.Struct, frozen=True):
    policies: tuple[int, ...]
    ports: tuple[NamedPort, ...]
    """Of ingress: the numbers that rules with names of ports mean."""


def profiles(
    rule_sets: RuleSets,
    found_axis: Axis,
    classes: Sequence[PodClass],
    policies: Sequence[Policy],
    direction: Direction,
    *,
    undecided: bool,
) -> list[Profile]:
    """Return the profiles of a direction; those whom no policy selects, and addresses outside, are the first one.

    `undecided`: count pods that may be in a block as in it.
    """
    applied = [policy for policy in policies if policy.rules(direction) is not None]
    selected_by: list[list[int]] = [[] for _ in classes]
    for number, policy in enumerate(applied):
        for subject in numbers(rule_sets.subjects(policy)):
            selected_by[subject].append(number)
    grouped: dict[_Key, list[int]] = {}
    for subject, by in enumerate(selected_by):
        grouped.setdefault(_key(classes[subject].identity, by, direction), []).append(subject)
    of_rules = _RulesOf(rule_sets, found_axis, applied, direction, undecided=undecided)
    outside = found_axis.everyone >> found_axis.pods << found_axis.pods
    free = bits(grouped.pop(_key(None, [], direction), ())) | outside
    everything = {rule_sets.ports.everything: found_axis.everyone}
    result = [Profile(free & found_axis.everyone, everything)]
    for key, subjects in grouped.items():
        present = bits(subjects) & found_axis.everyone
        if present:
            allowed = of_rules.allowed(key.policies, classes[subjects[0]].identity) if key.policies else everything
            result.append(Profile(present, allowed))
    return result


def _key(identity: Identity | None, by: list[int], direction: Direction) -> _Key:
    ports = identity.ports if identity and by and direction is Direction.INGRESS else ()
    return _Key(tuple(by), ports)


class _RulesOf:
    """The rules of each policy as sets; made once, as many profiles have the same policy."""

    def __init__(
        self,
        rule_sets: RuleSets,
        found_axis: Axis,
        policies: Sequence[Policy],
        direction: Direction,
        *,
        undecided: bool,
    ) -> None:
        self._rule_sets = rule_sets
        self._axis = found_axis
        self._policies = policies
        self._direction = direction
        self._undecided = undecided
        self._peers: dict[int, list[int]] = {}

    def allowed(self, policies: Iterable[int], subject: Identity | None) -> Allowed:
        """Return what these policies allow together: the union of their rules."""
        found: Allowed = {0: self._axis.everyone}
        for number in policies:
            rules = self._policies[number].rules(self._direction) or ()
            for rule, peers in zip(rules, self._peers_of(number), strict=True):
                for ports, some in self._rule_sets.allowed_ports(rule, self._direction, subject, peers):
                    _add(found, ports, some)
        found.pop(0, None)
        return found

    def _peers_of(self, number: int) -> list[int]:
        found = self._peers.get(number)
        if found is None:
            policy = self._policies[number]
            found = self._peers[number] = [
                self._rule_sets.peers(self._axis, rule, policy.key.namespace, undecided=self._undecided)
                for rule in policy.rules(self._direction) or ()
            ]
        return found


def _add(found: Allowed, ports: int, peers: int) -> None:
    """Allow these ports to these peers, besides what is allowed to them already."""
    for known, some in tuple(found.items()):
        both = some & peers
        if both and known | ports != known:
            if both == some:
                del found[known]
            else:
                found[known] = some ^ both
            found[known | ports] = found.get(known | ports, 0) | both
