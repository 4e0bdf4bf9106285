"""A file of expectations from what policies allow today: for each declared port who reaches it and who not. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from podwire.insight.reach.parties import Parties, Party
from podwire.insight.reach.selector_sets import numbers
from podwire.insight.snapshot import names
from podwire.insight.snapshot.endpoints import selected, target
from podwire.insight.snapshot.ends import EndError, EndKind
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload
from podwire.insight.verify.expectations import EDITOR_LINE, KUBECTL_LINES, Verdict
from podwire.kube.yaml_output import scalar

OUTSIDE = "outside"
OUTSIDE_PORT = 443
DNS_PORT = (53, "UDP")
LONGEST_LINE = 110


class Entry(msgspec.Struct, frozen=True):
    """One entry: all sources to one destination. Ports of one protocol."""

    sources: tuple[str, ...]
    destination: str
    ports: tuple[int, ...]
    protocol: str
    expect: Verdict


def text(snapshot: Snapshot, files: Sequence[str], file: str) -> str:
    """Return the text of a file of this name; `files` are the manifests that it shall name."""
    lines = [EDITOR_LINE, *KUBECTL_LINES, *_files(files, file), "expectations:"]
    entries = list(_entries(snapshot))
    for destination in dict.fromkeys(one.destination for one in entries):
        lines.append(f"  # {destination}")
        lines += [line for one in entries if one.destination == destination for line in _lines(one)]
    if not any(one.expect == "deny" for one in entries):
        lines.append("  # no connection is denied today: add one that must not be possible, or this file cannot fail")
    if not entries:
        lines[-2] += " []"
    return "\n".join(lines) + "\n"


def _files(files: Sequence[str], file: str) -> Iterator[str]:
    """The manifests, relative to the file; its own folder is what it reads without the field."""
    folder = os.path.dirname(file) or "."
    shown = [os.path.relpath(one, folder) for one in files]
    if shown and shown != ["."]:
        yield f"files: [{', '.join(map(scalar, shown))}]"


def _entries(snapshot: Snapshot) -> Iterator[Entry]:
    parties = Parties(snapshot)
    verdicts = _Verdicts(parties)
    for number, party in enumerate(parties.all):
        if party.host_network:
            continue
        found: dict[tuple[tuple[str, ...], str, str, Verdict], list[int]] = {}
        for port, protocol in _ports(party, snapshot):
            name, shown = _destination(party, port, protocol, snapshot)
            for expect, sources in verdicts.of(number, port, protocol, snapshot):
                found.setdefault((sources, name, protocol, expect), []).append(shown)
        for (sources, name, protocol, expect), ports in found.items():
            yield Entry(sources, name, tuple(sorted(ports)), protocol, expect)
    for expect, sources in verdicts.of(None, OUTSIDE_PORT, "TCP", snapshot):
        yield Entry(sources, OUTSIDE, (OUTSIDE_PORT,), "TCP", expect)


class _Verdicts:
    """The verdicts between parties, of the matrix of reach."""

    def __init__(self, parties: Parties) -> None:
        self._parties = parties
        self._classes = [list(numbers(parties.classes(one))) for one in range(len(parties.all))]

    def of(
        self, destination: int | None, port: int, protocol: str, snapshot: Snapshot
    ) -> Iterator[tuple[Verdict, tuple[str, ...]]]:
        """Yield who reaches a party, or for None what is outside, and who not; who is undecidable is in neither."""
        found: dict[Verdict, list[str]] = {"allow": [], "deny": []}
        for number, source in enumerate(self._parties.all):
            if source.host_network or source.is_assumed or self._is_alone(number, destination):
                continue
            verdict = self._verdict(number, destination, port, protocol)
            if verdict is not None:
                found[verdict].append(_source(source, snapshot))
        for expect, sources in found.items():
            if sources:
                yield expect, tuple(sorted(sources))

    def _is_alone(self, source: int, destination: int | None) -> bool:
        """Whether it is one pod and itself, which no policy separates."""
        return source == destination and self._parties.all[source].pods == 1

    def _verdict(self, source: int, destination: int | None, port: int, protocol: str) -> Verdict | None:
        """Return the verdict of all pods in all families; None where they differ, or it is undecidable."""
        ports, found = self._parties.answer.rule_sets.ports, set()
        for family in self._parties.answer.families.values():
            if destination is None:
                first = family.axis.pods
                to: Iterable[int] = range(first, first + len(family.outside))
            else:
                to = self._classes[destination]
            for matrix in filter(None, (family.matrix, family.possible)):
                for one in self._classes[source]:
                    found |= {ports.holds(matrix.between(one, other), protocol, port) for other in to}
        if len(found) != 1:
            return None
        return "allow" if found.pop() else "deny"


def _ports(party: Party, snapshot: Snapshot) -> list[tuple[int, str]]:
    """The ports that a party declares, and those that Services forward to."""
    if party.is_assumed:
        return [DNS_PORT]
    own = [one for one in snapshot.workloads if (one.owner.kind, one.owner.key) == (party.kind, party.key)]
    found = {(port.container_port, port.protocol) for one in own for port in one.ports}
    for service in snapshot.services:
        leads = [one for one in selected(service, snapshot) if one in own]
        found |= {
            (number, port.protocol) for port in service.spec.ports for one in leads if (number := target(port, one))
        }
    return sorted(found)


def _destination(party: Party, port: int, protocol: str, snapshot: Snapshot) -> tuple[str, int]:
    """Return the name to write, and the port: of a Service of the same name the Service's."""
    service = snapshot.service(party.key)
    own = [one for one in snapshot.workloads if (one.owner.kind, one.owner.key) == (party.kind, party.key)]
    if service is None:
        return _source(party, snapshot, is_client=False), port
    behind: list[Workload] = list(selected(service, snapshot))
    for one in service.spec.ports if behind and all(two in own for two in behind) else ():
        if one.protocol == protocol and {target(one, two) for two in own} == {port}:
            return str(party.key), port if service.headless else one.port
    return party.with_kind, port


def _source(party: Party, snapshot: Snapshot, *, is_client: bool = True) -> str:
    """Return the shortest name that means the party."""
    if party.is_assumed:
        return str(party.key)
    try:
        found = names.resolve(str(party.key), snapshot, is_client=is_client)
    except EndError:
        found = None
    if found is not None and found.kind is EndKind.PODS:
        return str(party.key)
    return party.with_kind


def _lines(one: Entry) -> Iterator[str]:
    ports = f"{one.ports[0]}" if len(one.ports) == 1 else f"[{', '.join(map(str, one.ports))}]"
    sources = scalar(one.sources[0]) if len(one.sources) == 1 else f"[{', '.join(map(scalar, one.sources))}]"
    protocol = "" if one.protocol == "TCP" else f", protocol: {one.protocol}"
    line = f"  - {{from: {sources}, to: {scalar(one.destination)}, port: {ports}{protocol}, expect: {one.expect}}}"
    if len(line) <= LONGEST_LINE:
        yield line
        return
    yield f"  - to: {scalar(one.destination)}"
    yield f"    port: {ports}"
    if protocol:
        yield f"    protocol: {one.protocol}"
    yield f"    expect: {one.expect}"
    yield "    from:"
    yield from (f"      - {scalar(name)}" for name in one.sources)
