"""From the view and the numbers of identities to the rows of an owner. Pure."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podwire.policy.decisions import UNDECIDED
from podwire.policy.intervals import Interval, disjoint, union, without
from podwire.policy.model import EVERYTHING, Block, Direction, Identity, IPNetwork, Pods, PortName, Ports, Rule
from podwire.policy.numbering import ANY_POD, NO_POD, Numbering
from podwire.policy.rows import (
    AddressRow,
    BlocksRow,
    IsolatedRow,
    LinkRow,
    PeerRow,
    PortRow,
    RangesRow,
    ResolverRow,
    Row,
    SelfRow,
    Span,
)
from podwire.policy.tier_rows import (
    KnownOnlyRow,
    NamingRow,
    NodeAddressRow,
    TierAddressRow,
    TierBlocksRow,
    TieredRow,
    TierRow,
    denied,
)
from podwire.policy.tiers import TierSubject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from podwire.policy.tier_decisions import PodPeer
    from podwire.policy.view import Owner, View

EXPANDED_PORTS = 16
"""A range of at most this many ports becomes single ports, whose rows are cheaper to change than intervals."""

WHOLE_INTERNET = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def rows(owner: Owner, view: View, numbers: Numbering) -> Iterator[Row]:
    """Return the rows of an owner: of an address its bearer, of an identity of this node what its pods may do."""
    if isinstance(owner, Identity):
        if view.is_subject(owner):
            for direction in Direction:
                yield from _subject_rows(owner, direction, view, numbers)
        return
    if isinstance(owner, TierSubject):
        if view.is_subject(owner.identity):
            for direction in Direction:
                yield from _tier_rows(owner.identity, direction, view, numbers)
        return
    if owner in view.tiers.resolvers:
        yield ResolverRow(owner)
    if view.tiers.ranges.is_nodes(owner):
        yield NodeAddressRow(owner)
    bearer = view.bearer(owner)
    number = numbers.identity(bearer.identity) if bearer else 0
    if bearer and number:
        yield AddressRow(owner, number, bearer.uid)
        if bearer.local:
            yield SelfRow(owner)
        link = view.link(owner) if bearer.local else None
        if link is not None:
            yield LinkRow(link, number)


def closed(owner: Owner, numbers: Numbering) -> Iterator[Row]:
    """Return the rows of an owner that cannot be derived: nothing is allowed; an address has no bearer."""
    identity = owner.identity if isinstance(owner, TierSubject) else owner
    number = numbers.identity(identity) if isinstance(identity, Identity) else 0
    if number and isinstance(owner, TierSubject):
        yield from denied(number)
    elif number:
        yield from (IsolatedRow(direction, number) for direction in Direction)


def _subject_rows(subject: Identity, direction: Direction, view: View, numbers: Numbering) -> Iterator[Row]:
    number = numbers.identity(subject)
    policies = view.selecting(subject, direction)
    if not policies or not number:
        return
    allowed = _Allowed(direction, number)
    place = _Place(subject, direction, view, numbers)
    for policy in policies:
        for rule in policy.rules(direction) or ():
            _allow(allowed, rule, policy.key.namespace, place)
    yield IsolatedRow(direction, number)
    yield from allowed.rows()


def _tier_rows(subject: Identity, direction: Direction, view: View, numbers: Numbering) -> Iterator[Row]:
    """Return what ClusterNetworkPolicies decide for a subject. A peer without a number has no rows: it is closed."""
    decided = view.tiers.decisions(subject, direction)
    number = numbers.identity(subject)
    if decided is None or not number:
        return
    for version, peer, decision in decided.pods:
        peer_number = _peer_number(peer, numbers)
        if peer_number:
            yield TierRow(direction, number, version, peer_number, decision)
    if decided.outside != UNDECIDED:
        yield TierRow(direction, number, 0, NO_POD, decided.outside)
    yield from (TierAddressRow(number, address, decision) for address, decision in decided.addresses)
    yield from (TierBlocksRow(number, version, spans) for version, spans in decided.spans)
    if direction is Direction.EGRESS and view.tiers.naming_for(subject):
        yield NamingRow(number)
    if view.tiers.meets_known_only(subject, direction):
        yield KnownOnlyRow(direction, number, view.tiers.ranges.networks)
    yield TieredRow(direction, number)


def _peer_number(peer: PodPeer, numbers: Numbering) -> int:
    if isinstance(peer, Identity):
        return numbers.identity(peer)
    return ANY_POD if peer is None else numbers.namespace(peer)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a rule is read: for whom, in which direction, in which world."""

    subject: Identity
    direction: Direction
    view: View
    numbers: Numbering


def _allow(allowed: _Allowed, rule: Rule, home: str, place: _Place) -> None:
    """Add what one rule allows. Names of ports are the receiver's: the subject's own, or each destination's."""
    known, names = _known_ports(rule, place)
    for peer in rule.peers if rule.peers is not None else (None,):
        if known is None or known:
            _allow_peer(allowed, peer, known, home, place)
        if isinstance(peer, Block):
            _allow_named_in(allowed, peer, names, place)
            continue
        everyone = Pods(EVERYTHING, EVERYTHING) if peer is None else peer
        for destination in place.view.identities(everyone, home) if names else ():
            for name in names:
                allowed.peer(place.numbers.identity(destination), _named(name, destination))


def _allow_named_in(allowed: _Allowed, block: Block, names: list[PortName], place: _Place) -> None:
    """Add what named ports on a block of addresses allow: the pods in it define the numbers.

    An identity whose pods are all in the block is one row a port, others are one for each address.
    """
    for identity, (inside, outside) in place.view.pods_in(block).items() if names else ():
        ports = [ports for name in names for ports in _named(name, identity)]
        if not ports or not inside:
            continue
        if not outside:
            allowed.peer(place.numbers.identity(identity), ports)
            continue
        for address in inside:
            allowed.block(Block(ipaddress.ip_network(address)), ports)


def _known_ports(rule: Rule, place: _Place) -> tuple[list[Ports] | None, list[PortName]]:
    """The ports that are numbers for this subject (None: all), and the names that each destination resolves."""
    if rule.ports is None:
        return None, []
    known = [port for port in rule.ports if isinstance(port, Ports)]
    names = [port for port in rule.ports if isinstance(port, PortName)]
    if place.direction is Direction.EGRESS:
        return known, names
    return known + [ports for name in names for ports in _named(name, place.subject)], []


def _named(name: PortName, receiver: Identity) -> list[Ports]:
    return [Ports(name.protocol, number, number) for number in name.numbers(receiver)]


def _allow_peer(
    allowed: _Allowed, peer: Pods | Block | None, ports: list[Ports] | None, home: str, place: _Place
) -> None:
    if peer is None:
        for network in WHOLE_INTERNET:
            allowed.block(Block(network), ports)
    elif isinstance(peer, Block):
        allowed.block(peer, ports)
    elif peer.pods != EVERYTHING:
        for identity in place.view.identities(peer, home):
            allowed.peer(place.numbers.identity(identity), ports)
    elif peer.namespaces == EVERYTHING:
        allowed.peer(ANY_POD, ports)
    else:
        for namespace in place.view.namespaces(peer, home):
            allowed.peer(place.numbers.namespace(namespace), ports)


@dataclass(slots=True)
class _Allowed:
    """What one subject may do in one direction, collected from all its rules, then written as few rows."""

    direction: Direction
    subject: int
    peers: set[int] = field(default_factory=set)
    ports: defaultdict[tuple[int, str], set[Interval]] = field(default_factory=lambda: defaultdict(set))
    blocks: defaultdict[int, list[Interval]] = field(default_factory=lambda: defaultdict(list))
    block_ports: defaultdict[tuple[int, str], list[tuple[Interval, Interval]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def peer(self, number: int, ports: Iterable[Ports] | None) -> None:
        """Allow an identity, a namespace or any pod; number 0 is no pod."""
        if number and ports is None:
            self.peers.add(number)
        elif number:
            for port in ports or ():
                self.ports[number, port.protocol].add((port.first, port.last))

    def block(self, block: Block, ports: Iterable[Ports] | None) -> None:
        """Allow addresses."""
        version = block.network.version
        intervals = list(without(_interval(block.network), map(_interval, block.excepts)))
        if ports is None:
            self.blocks[version] += intervals
        for port in ports or ():
            self.block_ports[version, port.protocol] += [(i, (port.first, port.last)) for i in intervals]

    def rows(self) -> Iterator[Row]:
        """Return the rows."""
        for peer in self.peers:
            yield PeerRow(self.direction, self.subject, peer)
        for (peer, protocol), intervals in self.ports.items():
            if peer not in self.peers:
                yield from self._port_rows(peer, protocol, union(intervals))
        for version in (4, 6):
            yield from self._block_rows(version)

    def _port_rows(self, peer: int, protocol: str, intervals: tuple[Interval, ...]) -> Iterator[Row]:
        wide = tuple(i for i in intervals if i[1] - i[0] >= EXPANDED_PORTS)
        if wide:
            yield RangesRow(self.direction, self.subject, peer, protocol, wide)
        for first, last in intervals:
            if last - first < EXPANDED_PORTS:
                for port in range(first, last + 1):
                    yield PortRow(self.direction, self.subject, peer, protocol, port)

    def _block_rows(self, version: int) -> Iterator[Row]:
        address = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        spans = tuple(Span(address(first), address(last)) for first, last in union(self.blocks[version]))
        if spans:
            yield BlocksRow(self.direction, self.subject, version, with_ports=False, spans=spans)
        spans = tuple(
            Span(address(first), address(last), protocol, ports)
            for (of_version, protocol), areas in self.block_ports.items()
            if of_version == version
            for (first, last), ports in disjoint(areas)
        )
        if spans:
            yield BlocksRow(self.direction, self.subject, version, with_ports=True, spans=tuple(sorted(spans)))


def _interval(network: IPNetwork) -> Interval:
    return int(network[0]), int(network[-1])
