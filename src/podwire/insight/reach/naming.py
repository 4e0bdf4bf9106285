"""Sets of the answer as words: workloads, whole namespaces, addresses outside, ports. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from podwire.insight.reach.parties import Members, Parties, outside_text
from podwire.insight.reach.port_sets import OTHER, PortSets
from podwire.policy.model import LAST_PORT

SHOWN = 6
"""Names on one line; more are counted."""


class Names:
    """Names of sets of one answer: of workloads of several kinds that have one name, each with its kind."""

    def __init__(self, parties: Parties) -> None:
        self._parties = parties
        bearers = Counter(one.key for one in parties.all)
        self._names = [str(one) if bearers[one.key] == 1 else one.with_kind for one in parties.all]
        self._in_namespace = Counter(one.key.namespace for one in parties.all)
        self._pods_in_all = sum(one.pods for one in parties.all)
        self._ranges = parties.answer.question.ranges
        self._outside = parties.whole_outside()

    def text(self, members: Members) -> str:
        """Return a set on one line."""
        pods = self._pods(members)
        outside = list(self.outside(members))
        if outside == ["outside"] and pods == ["all pods"]:
            return "anyone"
        return ", ".join([*pods, *outside])

    def outside(self, members: Members) -> Iterator[str]:
        """Yield the addresses outside: `outside` for all of them, else networks."""
        if members.outside and members.outside == self._outside:
            yield "outside"
            return
        for family, intervals in sorted(members.outside.items()):
            whole = intervals == self._outside.get(family)
            yield f"outside by IPv{family}" if whole else f"outside {outside_text(intervals, family, self._ranges)}"

    def whole(self, party: int) -> str:
        """Return the name of a workload."""
        return self._names[party]

    def name(self, party: int, pods: int) -> str:
        """Return the name of a workload, or of some of its pods."""
        whole = self._parties.all[party].pods
        return self._names[party] if pods >= whole else f"{self._names[party]} ({pods} of {whole} pods)"

    def _pods(self, members: Members) -> list[str]:
        if sum(members.pods.values()) == self._pods_in_all:
            return ["all pods"]
        named = self._grouped(members.pods)
        if len(named) <= SHOWN:
            return named
        if len(members.pods) * 2 > len(self._parties.all):
            others = self._grouped(self._missing(members))
            if len(others) <= 3:
                return [f"all pods but {', '.join(others)}"]
        return [*named[:SHOWN], f"{len(named) - SHOWN} more"]

    def _missing(self, members: Members) -> dict[int, int]:
        left = ((number, one.pods - members.pods.get(number, 0)) for number, one in enumerate(self._parties.all))
        return {number: pods for number, pods in left if pods}

    def _grouped(self, pods: Mapping[int, int]) -> list[str]:
        """Return names, sorted; of namespaces that are there whole, one for all of their workloads."""
        whole = Counter(
            self._parties.all[number].key.namespace
            for number, some in pods.items()
            if some >= self._parties.all[number].pods
        )
        namespaces = {name for name, count in whole.items() if count > 1 and count == self._in_namespace[name]}
        names = {f"{name}/*" for name in namespaces}
        for number, some in pods.items():
            if self._parties.all[number].key.namespace not in namespaces:
                names.add(self.name(number, some))
        return sorted(names)


def ports_text(ports: PortSets, mask: int) -> str:
    """Return a set of ports: `TCP 80,8080-8089, UDP 53`; `any` for all of all protocols."""
    if mask == ports.everything:
        return "any"
    return (
        ", ".join(
            f"{protocol} {','.join(_span(*one) for one in found)}" if found else f"{protocol} protocols"
            for protocol, found in ports.ranges(mask)
        ).replace(f" 1-{LAST_PORT}", "")
        or OTHER
    )


def _span(first: int, last: int) -> str:
    first = first or 1
    return str(first) if first == last else f"{first}-{last}"
