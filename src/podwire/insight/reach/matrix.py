"""Who can reach whom on which ports, in one family of addresses, for all pairs at the same time. Pure.

A connection needs both ends: the egress policies of its source, the ingress policies of its destination. That a pod
reaches itself and a node its own pods, whatever policies say, is left to who reads the matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podwire.insight.reach.pod_classes import PodClass
from podwire.insight.reach.profiles import Judged, Profile, profiles
from podwire.insight.reach.rule_sets import Axis, RuleSets
from podwire.insight.reach.selector_sets import bits, numbers
from podwire.policy.model import Direction

Column = frozenset[tuple[int, int]]
"""Who reaches a destination: sets of ports, each with the sources that reach exactly these; a source is in one only."""


class Matrix:
    """The profiles of both directions, and what they allow together."""

    def __init__(
        self,
        rule_sets: RuleSets,
        found_axis: Axis,
        classes: Sequence[PodClass],
        judged: Judged,
        *,
        undecided: bool = False,
    ) -> None:
        """`undecided`: count pods that may be in a block as in it."""
        self.axis = found_axis
        self.ports = rule_sets.ports
        self.egress, self.ingress = (
            profiles(rule_sets, found_axis, classes, judged, direction, undecided=undecided)
            for direction in (Direction.EGRESS, Direction.INGRESS)
        )
        self._egress_of = _by_subject(self.egress)
        self._ingress_of = _by_subject(self.ingress)

    def between(self, source: int, destination: int) -> int:
        """Return the ports that a class or part reaches of another, by their numbers on the axis."""
        sent = _of_peer(self._egress_of.get(source), destination)
        return sent & _of_peer(self._ingress_of.get(destination), source) if sent else 0

    def columns(self) -> dict[Column, int]:
        """Return for each column the destinations that have it. Destinations that nobody reaches are left out."""
        result: dict[Column, int] = {}
        for profile in self.ingress:
            for destinations, sources in self._sources(profile):
                if sources:
                    column = frozenset(sources.items())
                    result[column] = result.get(column, 0) | destinations
        return result

    def _sources(self, profile: Profile) -> list[tuple[int, dict[int, int]]]:
        """Return the subjects of an ingress profile, grouped by who reaches them on which ports."""
        subjects, whole = profile.subjects, dict[int, int]()
        parts: list[tuple[int, int, int]] = []
        for ports, peers in profile.allowed.items():
            for sender in self._senders(peers):
                sources = sender.subjects & peers
                if not sources:
                    continue
                for sent, to in sender.allowed.items():
                    receivers = to & subjects
                    both = receivers and ports & sent
                    if receivers == subjects and both:
                        whole[both] = whole.get(both, 0) | sources
                    elif both:
                        parts.append((receivers, both, sources))
        return list(_divided(subjects, whole, parts))

    def _senders(self, peers: int) -> Sequence[Profile]:
        """Return profiles of egress that may have these subjects."""
        if peers.bit_count() >= len(self.egress):
            return self.egress
        return list({id(one): one for number in numbers(peers) if (one := self._egress_of.get(number))}.values())


def _divided(
    subjects: int, whole: dict[int, int], parts: Sequence[tuple[int, int, int]]
) -> Iterator[tuple[int, dict[int, int]]]:
    """Yield groups of subjects with who reaches them: `whole` reaches all; a part is (receivers, ports, sources)."""
    of_subject: dict[int, list[int]] = {}
    for index, (receivers, _, _) in enumerate(parts):
        for subject in numbers(receivers):
            of_subject.setdefault(subject, []).append(index)
    grouped: dict[tuple[int, ...], list[int]] = {}
    for subject, found in of_subject.items():
        grouped.setdefault(tuple(found), []).append(subject)
    for indexes, members in grouped.items():
        sources = dict(whole)
        for index in indexes:
            _, ports, more = parts[index]
            sources[ports] = sources.get(ports, 0) | more
        subjects ^= (same := bits(members))
        yield same, sources
    if subjects:
        yield subjects, whole


def _by_subject(found: Sequence[Profile]) -> dict[int, Profile]:
    return {subject: profile for profile in found for subject in numbers(profile.subjects)}


def _of_peer(profile: Profile | None, peer: int) -> int:
    for ports, peers in profile.allowed.items() if profile else ():
        if peers >> peer & 1:
            return ports
    return 0
