"""What the policies of one direction allow: subjects with the same policies are one profile. Pure.

The same steps as `policy.verdict`, which judges one connection, for all peers and ports at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from podwire.insight.reach.pod_classes import PodClass
from podwire.insight.reach.rule_sets import Axis, RuleSets
from podwire.insight.reach.selector_sets import bits, numbers
from podwire.insight.reach.tier_sets import SetRule, decided
from podwire.policy.model import Direction, Identity, NamedPort, Policy
from podwire.policy.tiers import Action, ClusterPolicy, Tier, TierRule

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
    """What a subject's answer depends on. `ports`: the numbers that names of ports mean; of ingress only."""

    policies: tuple[int, ...]
    tiers: tuple[int, ...]
    ports: tuple[NamedPort, ...]


class Judged(msgspec.Struct, frozen=True):
    """All policies: NetworkPolicies in any order, ClusterNetworkPolicies in the order in which they decide."""

    policies: Sequence[Policy]
    tiers: Sequence[ClusterPolicy] = ()


def profiles(
    rule_sets: RuleSets,
    found_axis: Axis,
    classes: Sequence[PodClass],
    judged: Judged,
    direction: Direction,
    *,
    undecided: bool,
) -> list[Profile]:
    """Return the profiles of a direction; those whom no policy selects, and addresses outside, are the first one.

    `undecided`: count pods that may be in a block as in it.
    """
    applied = [policy for policy in judged.policies if policy.rules(direction) is not None]
    tiers = [policy for policy in judged.tiers if policy.rules(direction)]
    by_policy = _selected(len(classes), map(rule_sets.subjects, applied))
    by_tier = _selected(len(classes), (rule_sets.selected(policy.subject, "") for policy in tiers))
    grouped: dict[_Key, list[int]] = {}
    for subject, one in enumerate(classes):
        key = _key(one.identity, by_policy[subject], by_tier[subject], direction)
        grouped.setdefault(key, []).append(subject)
    of_rules = _RulesOf(rule_sets, found_axis, Judged(applied, tiers), direction, undecided=undecided)
    outside = found_axis.everyone >> found_axis.pods << found_axis.pods
    free = bits(grouped.pop(_key(None, [], [], direction), ())) | outside
    result = [Profile(free & found_axis.everyone, {rule_sets.ports.everything: found_axis.everyone})]
    for key, subjects in grouped.items():
        present = bits(subjects) & found_axis.everyone
        if present:
            result.append(Profile(present, of_rules.decided(key, classes[subjects[0]].identity)))
    return result


def _selected(count: int, subjects: Iterable[int]) -> list[list[int]]:
    """Return for each class the numbers of the policies that select it."""
    found: list[list[int]] = [[] for _ in range(count)]
    for number, mask in enumerate(subjects):
        for subject in numbers(mask):
            found[subject].append(number)
    return found


def _key(identity: Identity | None, policies: list[int], tiers: list[int], direction: Direction) -> _Key:
    is_named = identity is not None and (policies or tiers) and direction is Direction.INGRESS
    return _Key(tuple(policies), tuple(tiers), identity.ports if identity is not None and is_named else ())


class _RulesOf:
    """The rules of each policy as sets; peers are found once, as many profiles have the same policy."""

    def __init__(
        self, rule_sets: RuleSets, found_axis: Axis, judged: Judged, direction: Direction, *, undecided: bool
    ) -> None:
        self._rule_sets = rule_sets
        self._axis = found_axis
        self._judged = judged
        self._direction = direction
        self._undecided = undecided
        self._peers: dict[int, list[int]] = {}

    def decided(self, key: _Key, subject: Identity | None) -> Allowed:
        """Return what these policies allow together."""
        isolated = self._isolated(key.policies, subject) if key.policies else None
        if not key.tiers:
            assert isolated is not None, "some policy selects the subject"
            return isolated
        rules: dict[Tier, list[SetRule]] = {tier: [] for tier in Tier}
        for number in key.tiers:
            policy = self._judged.tiers[number]
            for rule in policy.rules(self._direction):
                rules[policy.tier].extend(self._tier_rule(rule, subject))
        later = (rules[Tier.BASELINE], rules[Tier.DEFAULT])
        return decided(self._axis.everyone, self._rule_sets.ports.everything, rules[Tier.ADMIN], isolated, later)

    def _tier_rule(self, rule: TierRule, subject: Identity | None) -> Iterable[SetRule]:
        """A pod that may be in a block counts so that less is allowed, or with `undecided` more."""
        is_wide = self._undecided is (rule.action is Action.ACCEPT)
        peers = self._rule_sets.peers(self._axis, rule, "", undecided=is_wide)
        for ports, some in self._rule_sets.allowed_ports(rule, self._direction, subject, peers):
            yield rule.action, ports, some

    def _isolated(self, policies: Iterable[int], subject: Identity | None) -> Allowed:
        """Return the union of what the rules of NetworkPolicies allow."""
        found: Allowed = {0: self._axis.everyone}
        for number in policies:
            rules = self._judged.policies[number].rules(self._direction) or ()
            for rule, peers in zip(rules, self._peers_of(number), strict=True):
                for ports, some in self._rule_sets.allowed_ports(rule, self._direction, subject, peers):
                    _add(found, ports, some)
        found.pop(0, None)
        return found

    def _peers_of(self, number: int) -> list[int]:
        found = self._peers.get(number)
        if found is None:
            policy = self._judged.policies[number]
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
