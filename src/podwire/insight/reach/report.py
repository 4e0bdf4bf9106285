"""The answer for users and programs: who reaches whom, who is exposed, what is not known. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.insight.reach.assumed import has_requests
from podwire.insight.reach.exposure import Exposure, Sources, of_services
from podwire.insight.reach.naming import Names, ports_text
from podwire.insight.reach.parties import Members, Parties
from podwire.insight.reach.port_sets import PortSets
from podwire.insight.reach.rows import Source, rows
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.policy.tier_reading import cluster_policy
from podwire.policy.tiers import NamePeers


class WorkloadLine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One workload. `is_assumed`: the cluster has it, the files do not."""

    name: str
    kind: str
    pods: int
    place: str = ""
    host_network: bool = False
    is_assumed: bool = False


class PortsLine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Ports of one protocol: pairs of first and last. None: the protocol has no ports."""

    protocol: str
    ranges: tuple[tuple[int, int], ...] = ()


class Connection(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Each of the sources reaches each of the destinations on these ports.

    Attributes:
        from_, to: names of workloads, and addresses outside.
        sources, destinations: the same as a person reads them.
        ports, port_list: the ports as a person reads them, and for programs.
        family: `IPv4` or `IPv6` where it is so in this one only.
        is_certain: False where it depends on addresses that pods do not have yet.

    """

    from_: tuple[str, ...] = msgspec.field(name="from")
    to: tuple[str, ...]
    sources: str
    destinations: str
    ports: str
    port_list: tuple[PortsLine, ...]
    family: str = ""
    is_certain: bool = True


class Report(msgspec.Struct, frozen=True, rename="camel"):
    """The whole answer."""

    workloads: tuple[WorkloadLine, ...]
    connections: tuple[Connection, ...]
    unreached: tuple[str, ...]
    notes: tuple[str, ...]
    exposures: tuple[Exposure, ...] = ()


def report(snapshot: Snapshot) -> Report:
    """Return the report of these objects."""
    others: tuple[str, ...] = ()
    if has_requests(snapshot):
        from podwire.insight.reach import request_exposure  # the edge is imported where there is one

        snapshot, objects = request_exposure.with_proxies(snapshot)
        parties = Parties(snapshot)
        sources = Sources(snapshot, parties)
        opened = (*of_services(sources), *request_exposure.of_requests(objects, sources))
        others = tuple(request_exposure.of_others(objects))
    else:
        parties = Parties(snapshot)
        opened = tuple(of_services(Sources(snapshot, parties)))
    found = sorted(_connections(parties), key=_order)
    reached = {name.partition(" (")[0] for one in found for name in one.to}  # by some of its pods, too
    names = Names(parties)
    workloads = tuple(
        WorkloadLine(names.whole(number), one.kind, one.pods, one.place, one.host_network, one.is_assumed)
        for number, one in enumerate(parties.all)
    )
    unreached = tuple(sorted(one.name for one in workloads if one.name not in reached))
    return Report(workloads, tuple(found), unreached, (*_notes(snapshot), *_of_mesh(parties), *others), opened)


def _order(one: Connection) -> tuple[bool, str, bool, str, str]:
    return one.to[0].startswith("outside"), one.destinations, not one.is_certain, one.ports, one.sources


class _Words(msgspec.Struct, frozen=True):
    """A set: who is in it, their names, and the names as a person reads them."""

    members: Members
    names: tuple[str, ...]
    text: str


class _Ports(msgspec.Struct, frozen=True):
    """A set of ports: as a person reads it, and for programs."""

    text: str
    lines: tuple[PortsLine, ...]


def _connections(parties: Parties) -> Iterator[Connection]:
    names, sets = Names(parties), parties.answer.rule_sets.ports
    known: dict[int, _Words] = {}
    ports: dict[int, _Ports] = {}

    def words(mask: int) -> _Words:
        if mask not in known:
            members = parties.members(mask)
            listed = sorted(names.name(*one) for one in members.pods.items())
            known[mask] = _Words(members, (*listed, *names.outside(members)), names.text(members))
        return known[mask]

    for row in rows(parties.answer):
        to = words(row.destinations)
        for source in row.sources:
            by = words(source.sources)
            if not _is_itself(parties, by.members, to.members):
                if source.ports not in ports:
                    ports[source.ports] = _ports(sets, source.ports)
                yield _connection(ports[source.ports], source, by, to)


def _is_itself(parties: Parties, by: Members, to: Members) -> bool:
    """Whether it is only one pod and itself."""
    if by.outside or to.outside or len(by.pods) != 1 or by.pods.keys() != to.pods.keys():
        return False
    return all(parties.all[number].pods == 1 for number in by.pods)


def _ports(sets: PortSets, mask: int) -> _Ports:
    lines = (
        PortsLine(protocol, tuple((first or 1, last) for first, last in found)) for protocol, found in sets.ranges(mask)
    )
    return _Ports(ports_text(sets, mask), tuple(lines))


def _connection(ports: _Ports, source: Source, by: _Words, to: _Words) -> Connection:
    return Connection(
        by.names,
        to.names,
        by.text,
        to.text,
        ports.text,
        ports.lines,
        f"IPv{source.family}" if source.family else "",
        source.is_certain,
    )


def _of_mesh(parties: Parties) -> Iterator[str]:
    """Return what else ? depends on where policies of the mesh leave something open."""
    if any(one.depends_on_mesh for one in parties.answer.families.values()):
        text = "policies of the mesh leave some open (?): the request decides, or on which node a client is"
        yield f"{text}: see 'podwire explain'"


def _notes(snapshot: Snapshot) -> Iterator[str]:
    yield from (note.text for note in snapshot.notes)
    for policy in map(cluster_policy, snapshot.cluster_policies):
        if any(isinstance(peer, NamePeers) for peer in policy.peers):
            yield f"ClusterNetworkPolicy {policy.name}: its domainNames are left out: DNS alone knows the addresses"
    for one in snapshot.unknown:
        if not one.with_pods:  # the others have a note
            yield one.text
    for kind in snapshot.unreadable:
        yield f"this account may not list {kind}: the answer is without them"
