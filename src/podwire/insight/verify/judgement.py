"""Whether packets showed what a file expects. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from podwire.insight.verify.expectations import Expectation
from podwire.insight.verify.outcome import Outcome, Seen
from podwire.insight.verify.plan import Connection, Plan

NOT_SENT = frozenset({Outcome.ERROR, Outcome.UNREACHABLE, Outcome.REJECTED})
"""Outcomes that prove nothing about policies."""


class Verdict(enum.StrEnum):
    """What became of an expectation."""

    PROVEN = "proven"
    WRONG = "wrong"
    UNDECIDED = "undecided"


class Line(msgspec.Struct, frozen=True):
    """An expectation with its verdict.

    Attributes:
        seen: what the packets showed, in short.
        tried: the number of connections.
        fault: what is wrong; empty where it is proven.
        disagreement: where packets did something else than the model predicts.
        explanation: the answer of `podwire explain`, of a wrong line.

    """

    expectation: Expectation
    verdict: Verdict
    seen: str
    tried: int = 0
    fault: str = ""
    disagreement: str = ""
    explanation: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the expectation is proven, and the model agrees with the packets."""
        return self.verdict is Verdict.PROVEN and not self.disagreement


def judge(plan: Plan, seen: Sequence[Seen], alive: Mapping[str, bool]) -> Line:
    """Judge an expectation by what was seen of its connections, in their order.

    `alive` has the addresses of pods that work, as another connection showed: silence of others proves nothing.
    """
    one = plan.expectation
    if plan.problem:
        return Line(one, Verdict.UNDECIDED, "not tried", fault=plan.problem)
    pairs = tuple(zip(plan.connections, seen, strict=True))
    disagreement = next(_disagreements(pairs), "")
    text, tried = _summary(seen), len(seen)
    wrong = [(connection, found) for connection, found in pairs if not _as_expected(one, found)]
    if not wrong:
        dead = _dead(plan, alive) if not one.is_allowed else ""
        if dead:
            fault = f"no answer, but {dead} was seen in no connection that works either: this proves nothing"
            return Line(one, Verdict.UNDECIDED, text, tried, fault)
        return Line(one, Verdict.PROVEN, text, tried, disagreement=disagreement)
    unclear = all(found.outcome in NOT_SENT for _, found in wrong)
    verdict = Verdict.UNDECIDED if unclear else Verdict.WRONG
    return Line(one, verdict, text, tried, _fault(one, wrong, tried), disagreement=disagreement)


def _as_expected(one: Expectation, seen: Seen) -> bool:
    return seen.outcome.is_passed if one.is_allowed else seen.outcome in (Outcome.SILENT, Outcome.CUT)


def _fault(one: Expectation, wrong: Sequence[tuple[Connection, Seen]], tried: int) -> str:
    connection, seen = wrong[0]
    way = f"{connection.source.name} -> {connection.destination.name} ({_target(connection)})"
    desired = "an answer" if one.is_allowed else "no answer"
    count = "" if len(wrong) == tried else f", {len(wrong)} of {tried} connections"
    return f"expected {desired}, saw: {seen.text}{count}: {way}"


def _target(connection: Connection) -> str:
    address = connection.attempt.address
    shown = f"[{address}]" if ":" in address else address
    return f"{shown}:{connection.attempt.port}/{connection.attempt.protocol}"


def _summary(seen: Sequence[Seen]) -> str:
    counts: dict[str, int] = {}
    for one in seen:
        counts[one.text] = counts.get(one.text, 0) + 1
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{number} {word}" for word, number in counts.items())


def _dead(plan: Plan, alive: Mapping[str, bool]) -> str:
    for one in plan.connections:
        for place in (one.source, *one.destination.places):
            if place.is_pod and not any(alive.get(address, False) for address in place.addresses):
                return place.name
    return ""


def _disagreements(pairs: Sequence[tuple[Connection, Seen]]) -> Iterator[str]:
    """Yield where packets and model differ; what could not be sent proves nothing."""
    for connection, seen in pairs:
        modelled = connection.is_modelled
        if modelled is None or seen.outcome in NOT_SENT:
            continue
        if modelled != seen.outcome.is_passed:
            predicted = "allowed" if modelled else "denied"
            way = f"{connection.source.name} -> {_target(connection)}"
            yield f"the model predicts {predicted}, packets show {seen.text}: {way}"
