"""Pods of one workload that policies of either state tell apart: the same parts in both states. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator

from podwire.insight.reach.naming import Names
from podwire.insight.reach.parties import Members, Parties
from podwire.insight.reach.pod_classes import PodGroup

PodsEnd = tuple[str, str]
"""Kind and name of a workload; the name of a part has its labels too, after a NUL."""


class Parts:
    """The ends that both states have in common. `keys` are those of the labels that a selector of either reads."""

    def __init__(self, states: Collection[Parties], keys: Collection[str]) -> None:
        self._keys = keys
        self._split = {_owner(one, number) for one in states for number in _told_apart(one)}
        self._counts: dict[PodsEnd, int] = {}
        for state in states:
            names = Names(state)
            found: defaultdict[PodsEnd, int] = defaultdict(int)
            for number, group in enumerate(state.answer.question.groups):
                party = state.party_of(number)
                if _owner(state, party) in self._split:
                    found[state.all[party].kind, self._part(names.whole(party), group)] += group.pods
            self._counts.update({end: max(pods, self._counts.get(end, 0)) for end, pods in found.items()})

    def ends(self, state: Parties, names: Names, mask: int, members: Members) -> Iterator[PodsEnd]:
        """Yield the workloads of a set, of those whose pods are told apart the parts."""
        split = {party for party in members.pods if _owner(state, party) in self._split}
        yield from ((state.all[party].kind, names.whole(party)) for party in members.pods.keys() - split)
        for number, pods in state.groups(mask).items() if split else ():
            party, group = state.party_of(number), state.answer.question.groups[number]
            if party in split:
                some = "" if pods >= group.pods else f"\0{pods}"  # by addresses, which are not known before
                end = state.all[party].kind, f"{self._part(names.whole(party), group)}{some}"
                if some:
                    self._counts[end] = pods
                yield end

    def shown(self, ends: Iterable[PodsEnd]) -> list[str]:
        """Return names as a reader wants them: `shop/db (2 of 3 pods)`."""
        whole: defaultdict[PodsEnd, int] = defaultdict(int)
        for (kind, text), pods in self._counts.items():
            if text.count("\0") == 1:
                whole[kind, text.partition("\0")[0]] += pods
        found: defaultdict[PodsEnd, int] = defaultdict(int)
        for kind, text in set(ends):
            found[kind, text.partition("\0")[0]] += self._counts.get((kind, text), 0)
        return sorted({
            name if pods >= whole.get((kind, name), 0) else f"{name} ({pods} of {whole[kind, name]} pods)"
            for (kind, name), pods in found.items()
        })  # fmt: skip

    def _part(self, name: str, group: PodGroup) -> str:
        labels = sorted((key, value) for key, value in group.labels.items() if key in self._keys)
        return f"{name}\0{labels}"


def _owner(state: Parties, party: int) -> tuple[str, str]:
    return state.all[party].kind, str(state.all[party])


def _told_apart(state: Parties) -> Iterator[int]:
    """Yield the workloads whose pods are not the same to all policies."""
    yield from (number for number in range(len(state.all)) if state.classes(number).bit_count() > 1)
