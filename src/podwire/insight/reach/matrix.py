"""Who can reach whom on which ports, in one family of addresses, for all pairs at the same time. Pure.

A connection needs both ends: the egress policies of its source, the ingress policies of its destination. That a pod
reaches itself and a node its own pods, whatever policies allow, is left to who reads the matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from podwire.insight.reach.mesh_sets import Shut
from podwire.insight.reach.pod_classes import PodClass
from podwire.insight.reach.profiles import Judged, Profile, profiles
from podwire.insight.reach.rule_sets import Axis, RuleSets
from podwire.insight.reach.selector_sets import bits, numbers
from podwire.policy.model import Direction

NOTHING: Mapping[int, Shut] = {}
MOST_RECEIVERS = 64
"""Receivers of one profile up to which it is looked up who may reach them."""
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
        shut: Mapping[int, Shut] = NOTHING,
    ) -> None:
        """`undecided`: count pods that may be in a block as in it; `shut`: by destination what the mesh closes."""
        self.axis = found_axis
        self.ports = rule_sets.ports
        self.egress, self.ingress = (
            profiles(rule_sets, found_axis, classes, judged, direction, undecided=undecided)
            for direction in (Direction.EGRESS, Direction.INGRESS)
        )
        self._egress_of = _by_subject(self.egress)
        self._ingress_of = _by_subject(self.ingress)
        self._shut = shut
        self._restricted = bits(shut)
        self._unbound, self._senders_to = _senders_to(self.egress, found_axis.everyone)

    def between(self, source: int, destination: int) -> int:
        """Return the ports that a class or part reaches of another, by their numbers on the axis."""
        sent = _of_peer(self._egress_of.get(source), destination)
        found = sent & _of_peer(self._ingress_of.get(destination), source) if sent else 0
        for ports, sources in self._shut.get(destination, ()):
            if sources >> source & 1:
                found &= ~ports
        return found

    def columns(self) -> dict[Column, int]:
        """Return for each column the destinations that have it. Destinations that no client reaches are left out."""
        result: dict[Column, int] = {}
        for profile in self.ingress:
            for some, admitted in self._sources(profile):
                for destinations, sources in self._opened(some, admitted):
                    if sources:
                        column = frozenset(sources.items())
                        result[column] = result.get(column, 0) | destinations
        return result

    def _opened(self, destinations: int, sources: dict[int, int]) -> Iterator[tuple[int, dict[int, int]]]:
        """Yield groups of destinations with who reaches them after what the mesh closes."""
        if free := destinations & ~self._restricted:
            yield free, sources
        grouped: dict[Shut, list[int]] = {}
        for number in numbers(destinations & self._restricted):
            grouped.setdefault(self._shut[number], []).append(number)
        for shut, found in grouped.items():
            yield bits(found), _left(sources, shut)

    def _sources(self, profile: Profile) -> list[tuple[int, dict[int, int]]]:
        """Return the subjects of an ingress profile, grouped by who reaches them on which ports."""
        subjects, whole = profile.subjects, dict[int, int]()
        parts: list[tuple[int, int, int]] = []
        for ports, peers in profile.allowed.items():
            for sender in self._senders(peers, subjects):
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

    def _senders(self, peers: int, receivers: int) -> Sequence[Profile]:
        """Return profiles of egress that may have some of these subjects, and reach some of these receivers."""
        if receivers.bit_count() > MOST_RECEIVERS:
            return self._having(peers)
        bound = 0
        for receiver in numbers(receivers):
            bound |= self._senders_to.get(receiver, 0)
        return [*(one for one in self._unbound if one.subjects & peers), *self._having(peers & bound)]

    def _having(self, subjects: int) -> Sequence[Profile]:
        if subjects.bit_count() >= len(self.egress):
            return self.egress
        return list({id(one): one for number in numbers(subjects) if (one := self._egress_of.get(number))}.values())


def _senders_to(egress: Sequence[Profile], everyone: int) -> tuple[list[Profile], dict[int, int]]:
    """Return the profiles that reach everyone, and by receiver the subjects of others that reach it on some port."""
    unbound, found = list[Profile](), dict[int, int]()
    for profile in egress:
        reached = 0
        for receivers in profile.allowed.values():
            reached |= receivers
        if reached == everyone:
            unbound.append(profile)
            continue
        for receiver in numbers(reached):
            found[receiver] = found.get(receiver, 0) | profile.subjects
    return unbound, found


def _left(sources: dict[int, int], shut: Shut) -> dict[int, int]:
    left = [*sources.items()]
    for closed, senders in shut:
        parts = [(ports & ~closed, found & senders) for ports, found in left]
        left = [*parts, *((ports, found & ~senders) for ports, found in left)]
        left = [one for one in left if all(one)]
    result: dict[int, int] = {}
    for ports, found in left:
        result[ports] = result.get(ports, 0) | found
    return result


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
