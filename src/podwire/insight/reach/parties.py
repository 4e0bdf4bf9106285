"""Who is on the axes of the answer, by the names that users know: workloads, and ranges of addresses outside. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.insight.reach.address_sets import LAST_ADDRESS, networks_of
from podwire.insight.reach.mesh_ends import NO_WORKLOAD, MeshEnds
from podwire.insight.reach.pod_classes import PodGroup
from podwire.insight.reach.reachability import Question, reachability
from podwire.insight.reach.rows import first_outside
from podwire.insight.reach.rule_sets import AnyRule, all_blocks
from podwire.insight.reach.selector_sets import numbers
from podwire.insight.reach.tier_addresses import with_addresses
from podwire.insight.snapshot import assumed_dns
from podwire.insight.snapshot.policy_view import NO_NODE, pod_of
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Owner, Workload
from podwire.insight.snapshot.written import NAME_LABEL
from podwire.kube.addresses import parsed
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from podwire.policy.default_deny import DEFAULT_DENY
from podwire.policy.intervals import Interval, union
from podwire.policy.model import IPAddress, IPNetwork, named_ports, policy
from podwire.policy.tier_reading import cluster_policy
from podwire.policy.tiers import ClusterPolicy, sorted_policies
from podwire.policy.view import View


class Party(msgspec.Struct, frozen=True):
    """A workload. `is_assumed`: no file has it, as the cluster has it itself."""

    kind: str
    key: NamespacedName
    pods: int
    place: str = ""
    host_network: bool = False
    is_assumed: bool = False

    @property
    def with_kind(self) -> str:
        """The name that no other kind of workload has."""
        return f"{self.key.namespace}/{self.kind.lower()}/{self.key.name}"

    def __str__(self) -> str:
        return str(self.key)


class Members(msgspec.Struct, frozen=True):
    """A set of the answer: how many pods of which parties, and which addresses outside, by family."""

    pods: Mapping[int, int]
    outside: Mapping[int, tuple[Interval, ...]]


class Parties:
    """The parties by number, and what the sets of the answer mean."""

    def __init__(self, snapshot: Snapshot, families: Iterable[int] = ()) -> None:
        """`families`: judged too, though nothing of the snapshot has an address of them."""
        snapshot = assumed_dns.completed(snapshot)
        self._found: dict[Owner, list[Workload]] = {}
        self._classes: dict[int, int] = {}
        for one in snapshot.workloads:
            if one.replicas:
                self._found.setdefault(one.owner, []).append(one)
        self.all: list[Party] = [_party(owner, found, snapshot) for owner, found in self._found.items()]
        groups, self._party_of = [], []
        mesh = None if snapshot.mesh.is_empty else MeshEnds(snapshot)
        for number, found in enumerate(self._found.values()):
            for one in found:
                groups.append(_group(one, mesh.number(one) if mesh is not None else NO_WORKLOAD))
                self._party_of.append(number)
        self.answer = reachability(_question(snapshot, groups, families, mesh))
        self._parts = [
            tuple((self._party_of[group], some) for group, some in groups.items())
            for groups in self.answer.classes.members
        ]

    def members(self, mask: int) -> Members:
        """Return who is in a set of the answer."""
        pods: dict[int, int] = {}
        outside: dict[int, list[Interval]] = {}
        count = len(self.answer.classes.found)
        for number in numbers(mask & (1 << count) - 1):
            for party, some in self._parts[number]:
                pods[party] = pods.get(party, 0) + some
        for family, found in self.answer.families.items():
            first = first_outside(self.answer, family)
            for part in numbers(mask >> first & (1 << len(found.outside)) - 1):
                outside.setdefault(family, []).extend(found.outside[part])
        return Members(pods, {family: union(intervals) for family, intervals in outside.items()})

    def party_of(self, group: int) -> int:
        """Return the party of pods that have labels and ports in common."""
        return self._party_of[group]

    def groups(self, mask: int) -> Mapping[int, int]:
        """Return how many pods of each group are in a set of the answer."""
        found: dict[int, int] = {}
        for number in numbers(mask & (1 << len(self.answer.classes.found)) - 1):
            for group, some in self.answer.classes.members[number].items():
                found[group] = found.get(group, 0) + some
        return found

    def classes(self, party: int) -> int:
        """Return the classes of a party as a set."""
        if not self._classes:
            for number, groups in enumerate(self.answer.classes.members):
                for owner in {self._party_of[group] for group in groups}:
                    self._classes[owner] = self._classes.get(owner, 0) | 1 << number
        return self._classes.get(party, 0)

    def whole_outside(self) -> Mapping[int, tuple[Interval, ...]]:
        """Return all addresses outside, by family."""
        families = self.answer.families.items()
        return {number: union(one for part in family.outside for one in part) for number, family in families}


def _party(owner: Owner, found: list[Workload], snapshot: Snapshot) -> Party:
    place = snapshot.place(owner.kind, owner.key)
    pods = sum(one.replicas for one in found)
    is_assumed = assumed_dns.is_assumed(None, found)
    return Party(owner.kind, owner.key, pods, place, all(one.spec.host_network for one in found), is_assumed)


def _group(one: Workload, mesh: int) -> PodGroup:
    addresses = (tuple(_parsed(pod.addresses)) for pod in one.pods if not pod.is_finished)
    known = tuple(found for found in addresses if found)
    ports = named_ports(pod_of(one))
    return PodGroup(one.namespace, one.labels, ports, one.spec.host_network, max(one.replicas, len(known)), known, mesh)


def _parsed(texts: Iterable[str]) -> Iterable[IPAddress]:
    return (address for text in texts if (address := parsed(text)) is not None)


def _question(snapshot: Snapshot, groups: list[PodGroup], judged: Iterable[int], mesh: MeshEnds | None) -> Question:
    policies, tiers = tuple(map(policy, snapshot.policies)), _tiers(snapshot)
    rules: list[AnyRule] = [rule for one in policies for rule in one.all_rules]
    rules += (rule for one in tiers for rule in one.all_rules)
    blocks = (*all_blocks(rules), *(mesh.blocks() if mesh is not None else ()))
    families = {*judged, *(one.network.version for one in blocks)}
    families |= {address.version for group in groups for found in group.addresses for address in found}
    ranges: tuple[IPNetwork, ...] = snapshot.pod_ranges.networks
    if snapshot.pod_ranges.is_assumed:  # whether there is IPv6 is not known: only where something names it
        ranges = tuple(one for one in ranges if one.version == 4 or 6 in families)
    families |= {one.version for one in ranges}
    used = {one.namespace: {NAME_LABEL: one.namespace} for one in groups}
    return Question(groups, {**used, **snapshot.namespaces}, policies, tuple(sorted(families)), ranges, tiers, mesh)


def _tiers(snapshot: Snapshot) -> tuple[ClusterPolicy, ...]:
    """Return ClusterNetworkPolicies in the order in which they decide. DNS names have no addresses here."""
    always = DEFAULT_DENY if snapshot.default_deny else ()
    if not snapshot.cluster_policies:
        return always
    view = View(NO_NODE)
    for node in snapshot.nodes:
        view.tiers.node_changed(Change(None, node))
    read = map(cluster_policy, snapshot.cluster_policies)
    return tuple(sorted_policies((*(with_addresses(one, view.tiers.addresses) for one in read), *always)))


def outside_text(intervals: tuple[Interval, ...], family: int, pods: Iterable[IPNetwork] = ()) -> str:
    """Return addresses as networks, as one network without others where that is shorter.

    `pods` are ranges that are not outside: a network around one of them is not cut in pieces for it.
    """
    intervals = union((*intervals, *_enclosed(intervals, pods, family)))
    networks = list(map(str, networks_of(intervals, family)))
    if len(networks) <= 3:
        return ", ".join(networks)
    first, last = intervals[0][0], intervals[-1][1]
    whole = _smallest(first, last, family)
    start, end = int(whole.network_address), int(whole.broadcast_address)
    holes = list(map(str, networks_of(_gaps(intervals, start, end), family)))
    if len(holes) < len(networks):
        return f"{whole} except {_listed(holes)}"
    return _listed(networks)


def _enclosed(intervals: tuple[Interval, ...], pods: Iterable[IPNetwork], family: int) -> Iterator[Interval]:
    starts, ends = {first for first, _ in intervals}, {last for _, last in intervals}
    for one in pods:
        first, last = int(one.network_address), int(one.broadcast_address)
        if one.version == family and first - 1 in ends and last + 1 in starts:
            yield first, last


def _listed(texts: list[str]) -> str:
    return ", ".join(texts[:6]) + (f" and {len(texts) - 6} more" if len(texts) > 6 else "")


def _smallest(first: int, last: int, family: int) -> IPNetwork:
    width = LAST_ADDRESS[family].bit_length()
    network = ipaddress.IPv4Network if family == 4 else ipaddress.IPv6Network
    return network(
        (first >> (first ^ last).bit_length() << (first ^ last).bit_length(), width - (first ^ last).bit_length())
    )


def _gaps(intervals: tuple[Interval, ...], start: int, end: int) -> list[Interval]:
    found = []
    for first, last in intervals:
        if first > start:
            found.append((start, first - 1))
        start = last + 1
    return [*found, (start, end)] if start <= end else found
