"""What each ClusterNetworkPolicy means for one end of a connection, and what the tiers decide together. Pure.

The order is the model's: Admin, NetworkPolicies where they isolate, Baseline, what `--default-deny` decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from podwire.insight.answer_form import Verdict
from podwire.insight.connection.points import Kind, Point
from podwire.insight.connection.report import TierLine, TierWord
from podwire.insight.connection.sides import Context, Way, is_port
from podwire.kube.meta import NamespacedName
from podwire.policy.model import Block, Direction, Pods, pods_match
from podwire.policy.tiers import Action, ClusterPolicy, NamePeers, NodePeers, Tier, TierPeer, TierRule

NAMES = {Tier.ADMIN: "Admin", Tier.BASELINE: "Baseline", Tier.DEFAULT: "default"}
_WORDS = {Action.ACCEPT: TierWord.ACCEPTS, Action.DENY: TierWord.DENIES, Action.PASS: TierWord.PASSES}


class Step(msgspec.Struct, frozen=True):
    """One rule in the order of decisions; `fits` is None where it depends on an address or name that is not known."""

    tier: Tier
    action: Action
    fits: bool | None


def tier_lines(way: Way, direction: Direction, context: Context) -> tuple[TierLine, ...]:
    """Return a line for each ClusterNetworkPolicy with rules of the direction, in the order in which they decide."""
    policies = [one for one in context.view.tiers.policies if one.rules(direction)]
    return tuple(_line(one, way, direction, context) for one in policies)


def _line(policy: ClusterPolicy, way: Way, direction: Direction, context: Context) -> TierLine:
    subject, _ = way.end(direction)
    key = NamespacedName("", policy.name)

    def line(word: TierWord, place: str, text: str = "") -> TierLine:
        return TierLine(policy.name, NAMES[policy.tier], policy.priority, place, word, text)

    if subject.identity is None or not policy.selects(subject.identity, context.snapshot.namespaces.get):
        place = context.snapshot.place("ClusterNetworkPolicy", key, "spec", "subject")
        return line(TierWord.NOT_APPLICABLE, place, f"its subject is not {subject.name}")
    for index, rule in enumerate(policy.rules(direction)):
        fits = _fits(rule, way, direction, context)
        if fits is False:
            continue
        name = f" ({rule.name})" if rule.name else ""
        place = context.snapshot.place("ClusterNetworkPolicy", key, "spec", direction.value, index)
        word = _WORDS[rule.action] if fits else TierWord.UNDECIDABLE
        text = f"rule {index}{name}" if fits else f"rule {index}{name} would decide, depending on an address"
        return line(word, place, text)
    return line(TierWord.NO_MATCH, context.snapshot.place("ClusterNetworkPolicy", key, "spec", direction.value))


def reached(lines: Sequence[TierLine], *, is_isolated: bool) -> tuple[TierLine, ...]:
    """Return the lines up to the one that decides; of later tiers than Admin only where NetworkPolicies do not."""
    found: list[TierLine] = []
    passed = ""
    for one in lines:
        if (is_isolated and one.tier != NAMES[Tier.ADMIN]) or one.tier == passed:
            continue
        found.append(one)
        if one.word in (TierWord.ACCEPTS, TierWord.DENIES):
            break
        passed = one.tier if one.word is TierWord.PASSES else passed
    return tuple(found)


def deciding(lines: Sequence[TierLine]) -> TierLine | None:
    """Return the line of those that are reached which decides, or may; None where NetworkPolicies or none do."""
    words = (TierWord.ACCEPTS, TierWord.DENIES, TierWord.UNDECIDABLE)
    return next((one for one in lines if one.word in words), None)


def steps(way: Way, direction: Direction, context: Context) -> tuple[Step, ...]:
    """Return the rules that may match, in their order."""
    subject, _ = way.end(direction)
    if subject.identity is None:
        return ()
    return tuple(
        Step(policy.tier, rule.action, fits)
        for policy in context.view.tiers.selecting(subject.identity)
        for rule in policy.rules(direction)
        if (fits := _fits(rule, way, direction, context)) is not False
    )


def decided(found: Sequence[Step], policies: Verdict, *, is_isolated: bool) -> Verdict:
    """Return the verdict of one end; `policies` is that of NetworkPolicies, which counts where they isolate."""
    outcomes = set(_outcomes(tuple(found), policies, is_isolated, None))
    return outcomes.pop() if len(outcomes) == 1 else Verdict.UNDECIDABLE


def _outcomes(left: tuple[Step, ...], policies: Verdict, is_isolated: bool, passed: Tier | None) -> Iterator[Verdict]:
    """Yield each verdict that is possible: a rule that may match decides, or the next one does."""
    for number, step in enumerate(left):
        if step.tier is passed:
            continue
        if is_isolated and step.tier is not Tier.ADMIN:
            break
        rest = left[number + 1 :]
        if step.fits is None:
            yield from _outcomes(rest, policies, is_isolated, passed)
        if step.action is Action.PASS:
            yield from _outcomes(rest, policies, is_isolated, step.tier)
        else:
            yield Verdict.ALLOWED if step.action is Action.ACCEPT else Verdict.NOT_ALLOWED
        return
    yield policies if is_isolated else Verdict.ALLOWED


def _fits(rule: TierRule, way: Way, direction: Direction, context: Context) -> bool | None:
    if rule.ports is not None and not any(is_port(one, way) for one in rule.ports):
        return False
    if rule.peers is None:
        return True
    other = way.end(direction)[1]
    found = {_is_peer(one, other, context) for one in rule.peers}
    return True if True in found else None if None in found else False


def _is_peer(peer: TierPeer, other: Point, context: Context) -> bool | None:
    match peer:
        case Pods():
            identity = other.identity
            return identity is not None and pods_match(peer, "", identity, context.snapshot.namespaces.get)
        case Block():
            return other.held_by(peer)
        case NodePeers():
            return _is_node(peer, other, context)
        case NamePeers():
            return _is_named(peer, other)


def _is_node(peer: NodePeers, other: Point, context: Context) -> bool | None:
    if other.kind is not Kind.NODE:
        return False
    if not other.addresses:
        return None
    return any(context.view.tiers.is_peer(peer, one, None) for one in other.addresses)


def _is_named(peer: NamePeers, other: Point) -> bool | None:
    """A host is known by the name that is looked up, an address may be one that DNS returned for it.

    The target of an alias is another name: what DNS returned for it counts if a pod of the node has looked it up too.
    """
    if other.kind in (Kind.POD, Kind.NODE):
        return False
    if other.requested:
        return peer.means(other.requested) or (None if peer.means(other.name) else False)
    return peer.means(other.name) or (None if other.addresses or other.kind is Kind.OUTSIDE else False)
