"""First match wins, worked out beforehand: what the rules of all tiers decide for one peer, by protocol and port. Pure.

    value  1 accept   2 deny   3 NetworkPolicies where they isolate, else accept   4 the same, else deny

3 and 4 are what is left where no rule of the Admin tier decides: NetworkPolicies come next for the pods that they
isolate; for the others the Baseline tier decides which of the two it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.policy.model import LAST_PORT, PROTOCOLS, Ports
from podwire.policy.tiers import Action, Tier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ACCEPT, DENY, ELSE_ACCEPT, ELSE_DENY = 1, 2, 3, 4

_WORDS = {
    ACCEPT: "accepted",
    DENY: "denied",
    ELSE_ACCEPT: "by network policies, else accepted",
    ELSE_DENY: "by network policies, else denied",
}


class PortSpan(msgspec.Struct, frozen=True, order=True):
    """What is decided for ports of one protocol, from first to last."""

    protocol: str
    first: int
    last: int
    value: int


class Decision(msgspec.Struct, frozen=True):
    """What is decided for a peer: `base` for all traffic but that of the spans, which do not overlap."""

    base: int = ELSE_ACCEPT
    spans: tuple[PortSpan, ...] = ()

    def value(self, protocol: str, port: int | None) -> int:
        """Return what is decided for a packet."""
        for span in self.spans if port is not None else ():
            if span.protocol == protocol and span.first <= (port or 0) <= span.last:
                return span.value
        return self.base

    def __str__(self) -> str:
        spans = [f"{span.protocol} {span.first}-{span.last} {_WORDS[span.value]}" for span in self.spans]
        return ", ".join([_WORDS[self.base], *spans])


UNDECIDED = Decision()


class Effect(msgspec.Struct, frozen=True):
    """What the rule of one position in the order of all rules does."""

    tier: Tier
    action: Action


Entry = tuple[int, tuple[Ports, ...] | None]
"""A rule that matches a peer: its position, and the ports that it matches there; None: all traffic."""


class Decider:
    """Decides by the effects of rules, which are in the order of precedence; remembers what it worked out."""

    def __init__(self, effects: Sequence[Effect]) -> None:
        self._effects = effects
        self._known: dict[frozenset[Entry], Decision] = {}

    def decide(self, entries: Iterable[Entry]) -> Decision:
        """Return what the rules decide that match a peer."""
        key = frozenset(entries)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._decision(sorted(key, key=lambda entry: entry[0]))
        return found

    def _decision(self, entries: list[Entry]) -> Decision:
        base = self._value(position for position, ports in entries if ports is None)
        spans = (span for protocol in PROTOCOLS for span in self._spans(entries, protocol) if span.value != base)
        return Decision(base, tuple(spans))

    def _spans(self, entries: list[Entry], protocol: str) -> Iterator[PortSpan]:
        """All ports of a protocol in neighbouring spans of different values; nothing where no rule names a port."""
        mine = [
            (position, None if ports is None else [(p.first, p.last) for p in ports if p.protocol == protocol])
            for position, ports in entries
        ]
        starts = {0} | {end for _, ranges in mine for first, last in ranges or () for end in (first, last + 1)}
        if len(starts) == 1:
            return
        start, value = 0, 0
        for border in sorted(starts - {LAST_PORT + 1}):
            matching = (
                position
                for position, ranges in mine
                if ranges is None or any(first <= border <= last for first, last in ranges)
            )
            now = self._value(matching)
            if now != value:
                if border:
                    yield PortSpan(protocol, start, border - 1, value)
                start, value = border, now
        yield PortSpan(protocol, start, LAST_PORT, value)

    def _value(self, positions: Iterable[int]) -> int:
        passed: Tier | None = None
        for position in positions:
            effect = self._effects[position]
            if effect.tier is passed:
                continue
            if effect.action is Action.PASS:
                passed = effect.tier
            elif effect.tier is Tier.ADMIN:
                return ACCEPT if effect.action is Action.ACCEPT else DENY
            else:
                return ELSE_ACCEPT if effect.action is Action.ACCEPT else ELSE_DENY
        return ELSE_ACCEPT
