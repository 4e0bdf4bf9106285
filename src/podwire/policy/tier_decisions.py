"""What ClusterNetworkPolicies decide for one subject in one direction, for every peer there is. Pure.

The rules of all policies that select the subject have one order. For each peer that some rule names (any pod, a
namespace, an identity, an address, a range of addresses that are no pod's) the rules that match it are decided once:
first match wins. A peer whose decision is that of the wider one it belongs to has none of its own.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import msgspec

from podwire.policy.decisions import UNDECIDED, Decider, Decision, Effect, Entry
from podwire.policy.model import EVERYTHING, Block, Direction, Identity, IPAddress, IPNetwork, Pods, PortName, Ports
from podwire.policy.tier_rows import TierSpan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from podwire.policy.pod_networks import PodNetworks
    from podwire.policy.surroundings import Surroundings
    from podwire.policy.tiers import ClusterPolicy, NamePeers, NodePeers, TierRule

PodPeer = Identity | str | None
"""An identity, a namespace by its name, or any pod."""

WHOLE = {4: ipaddress.ip_network("0.0.0.0/0"), 6: ipaddress.ip_network("::/0")}


class World(Protocol):
    """What peers stand for (podwire.policy.tier_view.TierView)."""

    @property
    def surroundings(self) -> Surroundings:
        """The pods and namespaces."""
        ...

    @property
    def networks(self) -> PodNetworks:
        """Which networks hold all pods, which some."""
        ...

    def addresses(self, peer: NodePeers | NamePeers) -> Iterator[IPAddress]:
        """The addresses that nodes or names stand for."""
        ...


class TierDecisions(msgspec.Struct, frozen=True):
    """The decisions. Version 0 of a pod peer: for both; `outside` is for what is no known pod, where no span is."""

    pods: tuple[tuple[int, PodPeer, Decision], ...] = ()
    outside: Decision = UNDECIDED
    addresses: tuple[tuple[IPAddress, Decision], ...] = ()
    spans: tuple[tuple[int, tuple[TierSpan, ...]], ...] = ()


def decisions(
    policies: Sequence[ClusterPolicy], direction: Direction, subject: Identity, world: World
) -> TierDecisions:
    """Return the decisions of these policies, which are in the order of precedence."""
    rules = [(policy.tier, rule) for policy in policies for rule in policy.rules(direction)]
    matching = _Matching(Decider([Effect(tier, rule.action) for tier, rule in rules]), world)
    for position, (_, rule) in enumerate(rules):
        known, names = _known_ports(rule, direction, subject)
        for peer in rule.peers if rule.peers is not None else (None,):
            if known is None or known:
                matching.add(peer, (position, known))
            if names and isinstance(peer, Pods):
                matching.add_named(peer, position, names)
    if direction is Direction.INGRESS:
        pods, outside = tuple(matching.pods(0, 4)), matching.outside()
        return TierDecisions(pods, outside)
    pods = (*matching.pods(4, 4), *matching.pods(6, 6))
    spans = tuple((version, found) for version in (4, 6) if (found := matching.spans(version)))
    return TierDecisions(pods, UNDECIDED, tuple(matching.exact()), spans)


def _known_ports(
    rule: TierRule, direction: Direction, subject: Identity
) -> tuple[tuple[Ports, ...] | None, list[PortName]]:
    """The ports that are numbers for this subject (None: all), and the names that each destination resolves."""
    if rule.ports is None:
        return None, []
    known = [port for port in rule.ports if isinstance(port, Ports)]
    names = [port for port in rule.ports if isinstance(port, PortName)]
    if direction is Direction.EGRESS:
        return tuple(known), names
    return (*known, *_numbers(names, subject)), []


def _numbers(names: Iterable[PortName], receiver: Identity) -> tuple[Ports, ...]:
    return tuple(Ports(name.protocol, number, number) for name in names for number in name.numbers(receiver))


@dataclass(slots=True)
class _Matching:
    """The rules that match each peer."""

    decider: Decider
    world: World
    _any: dict[int, set[Entry]] = field(default_factory=lambda: {4: set(), 6: set()})
    _outside: set[Entry] = field(default_factory=set)
    _namespaces: defaultdict[str, set[Entry]] = field(default_factory=lambda: defaultdict(set))
    _identities: defaultdict[Identity, set[Entry]] = field(default_factory=lambda: defaultdict(set))
    _addresses: defaultdict[IPAddress, set[Entry]] = field(default_factory=lambda: defaultdict(set))
    _networks: list[tuple[IPNetwork, Entry]] = field(default_factory=list)

    def add(self, peer: Pods | Block | NodePeers | NamePeers | None, entry: Entry) -> None:
        """The rule of this entry matches the peer; None: everyone."""
        match peer:
            case None:
                self._outside.add(entry)
                for network in WHOLE.values():
                    self._add_network(network, entry)
            case Pods():
                self._add_pods(peer, entry)
            case Block():
                self._add_network(peer.network, entry)
            case _:
                for address in self.world.addresses(peer):
                    self._addresses[address].add(entry)

    def add_named(self, peer: Pods, position: int, names: list[PortName]) -> None:
        """The rule matches ports that each pod of the peer gives these names."""
        for identity in self.world.surroundings.identities(peer, ""):
            ports = _numbers(names, identity)
            if ports:
                self._identities[identity].add((position, ports))

    def pods(self, version: int, family: int) -> Iterator[tuple[int, PodPeer, Decision]]:
        """The decisions for pods by what they are; `version` is what the rows have, `family` the rules' that count."""
        if self._of_any(family) != UNDECIDED:
            yield version, None, self._of_any(family)
        for namespace in self._namespaces:
            if self._of_namespace(namespace, family) != self._of_any(family):
                yield version, namespace, self._of_namespace(namespace, family)
        for identity in self._identities:
            found = self._of_identity(identity, family)
            if found != self._of_namespace(identity.namespace, family):
                yield version, identity, found

    def outside(self) -> Decision:
        """The decision for what is no known pod."""
        return self.decider.decide(self._outside)

    def exact(self) -> Iterator[tuple[IPAddress, Decision]]:
        """The decisions for single addresses that differ from what is decided without them."""
        for address, own in self._addresses.items():
            bearer = self.world.surroundings.bearer(address)
            wider = self._entries(bearer.identity, address.version) if bearer else self._of_networks(address)
            found = self.decider.decide(own | wider)
            if found != self.decider.decide(wider):
                yield address, found

    def spans(self, version: int) -> tuple[TierSpan, ...]:
        """The decisions for addresses that are no pod's, in neighbouring ranges that differ."""
        mine = [(int(net[0]), int(net[-1]), entry) for net, entry in self._networks if net.version == version]
        borders = sorted({border for first, last, _ in mine for border in (first, last + 1)})
        address = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        found: list[tuple[int, int, Decision]] = []
        for first, after in itertools.pairwise(borders):
            decision = self.decider.decide(entry for start, last, entry in mine if start <= first <= last)
            if found and found[-1][1] == first - 1 and found[-1][2] == decision:
                found[-1] = (found[-1][0], after - 1, decision)
            else:
                found.append((first, after - 1, decision))
        return tuple(TierSpan(address(a), address(b), each) for a, b, each in found if each != UNDECIDED)

    def _add_pods(self, peer: Pods, entry: Entry) -> None:
        if peer.pods != EVERYTHING:
            for identity in self.world.surroundings.identities(peer, ""):
                self._identities[identity].add(entry)
        elif peer.namespaces == EVERYTHING:
            for found in self._any.values():
                found.add(entry)
        else:
            for namespace in self.world.surroundings.namespaces(peer, ""):
                self._namespaces[namespace].add(entry)

    def _add_network(self, network: IPNetwork, entry: Entry) -> None:
        self._networks.append((network, entry))
        if self.world.networks.holds_all(network):
            self._any[network.version].add(entry)
            return
        for address in self.world.networks.inside(network):
            self._addresses[address].add(entry)

    def _of_any(self, family: int) -> Decision:
        return self.decider.decide(self._any[family])

    def _of_namespace(self, namespace: str, family: int) -> Decision:
        return self.decider.decide(self._any[family] | self._namespaces.get(namespace, set()))

    def _of_identity(self, identity: Identity, family: int) -> Decision:
        return self.decider.decide(self._entries(identity, family))

    def _entries(self, identity: Identity, family: int) -> set[Entry]:
        of_namespace = self._namespaces.get(identity.namespace, set())
        return self._any[family] | of_namespace | self._identities.get(identity, set())

    def _of_networks(self, address: IPAddress) -> set[Entry]:
        return {entry for network, entry in self._networks if address in network}
