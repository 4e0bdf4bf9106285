"""The rules of policies with sets of peers and ports in place of selectors, blocks and numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from podwire.insight.reach.address_sets import AddressSets
from podwire.insight.reach.pod_classes import PodClass
from podwire.insight.reach.port_sets import PortSets
from podwire.insight.reach.selector_sets import SelectorSets, bits
from podwire.kube.meta import LabelSelector, LabelSelectorRequirement
from podwire.policy.model import Block, Direction, Identity, NamedPort, Pods, Policy, PortName, Ports, Rule
from podwire.policy.tiers import TierRule

_SelectorKey = tuple[tuple[tuple[str, str], ...], tuple[LabelSelectorRequirement, ...]]
AnyRule = Rule | TierRule
"""Of either kind of policy. Peers by nodes or DNS names must have become blocks of addresses."""
LabelsByNamespace = Mapping[str, Mapping[str, str]]


class Axis(msgspec.Struct, frozen=True):
    """One family: the classes of pods first, then the parts of the addresses outside, a bit for each.

    Attributes:
        pods: how many of the bits are classes of pods.
        everyone: all bits; classes without an address of the family are not among them.
        held: for each block, by number, who has an address that it holds.
        undecided: for each block those of whom it is not known.

    """

    family: int
    pods: int
    everyone: int
    held: tuple[int, ...]
    undecided: tuple[int, ...]


def axis(family: int, classes: Sequence[PodClass], blocks: AddressSets, outside: Sequence[int]) -> Axis:
    """Return the axis of a family. `outside`: for each part of the addresses outside, the blocks that hold it."""
    places = [one.place(family) for one in classes]
    everyone = bits(number for number, place in enumerate(places) if place.exists)
    everyone |= ((1 << len(outside)) - 1) << len(classes)
    held: list[list[int]] = [[] for _ in blocks.numbers]
    undecided: list[list[int]] = [[] for _ in blocks.numbers]
    for number, place in enumerate(places):
        _note(held, place.held, number)
        _note(undecided, place.undecided, number)
    for number, mask in enumerate(outside, len(classes)):
        _note(held, mask, number)
    return Axis(family, len(classes), everyone, tuple(map(bits, held)), tuple(map(bits, undecided)))


def _note(found: list[list[int]], mask: int, number: int) -> None:
    while mask:
        low = mask & -mask
        found[low.bit_length() - 1].append(number)
        mask ^= low


class RuleSets:
    """Who the selectors of policies select among classes of pods, and the ports of rules as sets."""

    def __init__(
        self,
        classes: Sequence[PodClass],
        namespaces: LabelsByNamespace,
        rules: Iterable[AnyRule],
        blocks: AddressSets,
        more_ports: Iterable[Ports] = (),
    ) -> None:
        """`more_ports`: those that others than policies distinguish."""
        identities = [one.identity for one in classes]
        self._blocks = blocks
        self._pods = bits(number for number, identity in enumerate(identities) if identity is not None)
        # A pod of the node's network has no labels for policies; `_pods` keeps it out where a selector is empty.
        self._by_labels = SelectorSets(dict(one.labels) if one else {} for one in identities)
        self._by_namespace = SelectorSets(namespaces.get(one.namespace) if one else {} for one in identities)
        homes: dict[str, list[int]] = {}
        named: dict[NamedPort, list[int]] = {}
        for number, identity in enumerate(identities):
            if identity is not None:
                homes.setdefault(identity.namespace, []).append(number)
                for port in identity.ports:
                    named.setdefault(port, []).append(number)
        self._homes = {name: bits(found) for name, found in homes.items()}
        self._named = {port: bits(found) for port, found in named.items()}
        self.ports = PortSets((*_all_ports(rules, self._named), *more_ports))
        self._selected: dict[tuple[str, _SelectorKey | None, _SelectorKey], int] = {}

    def subjects(self, policy: Policy) -> int:
        """Return the classes that a policy selects."""
        return self._homes.get(policy.key.namespace, 0) & self._by_labels.selected(policy.selector)

    def peers(self, axis: Axis, rule: AnyRule, home: str, *, undecided: bool = False) -> int:
        """Return the peers of a rule. `undecided`: count who may be in a block as in it."""
        if rule.peers is None:
            return axis.everyone
        found = 0
        for peer in rule.peers:
            if isinstance(peer, Block):
                number = self._blocks.numbers[peer]
                found |= axis.held[number] | (axis.undecided[number] if undecided else 0)
            elif isinstance(peer, Pods):
                found |= self.selected(peer, home)
        return found & axis.everyone

    def selected(self, peer: Pods, home: str) -> int:
        """Return the classes that a peer of a policy in namespace `home` means."""
        key = (home, None, _key(peer.pods)) if peer.namespaces is None else ("", _key(peer.namespaces), _key(peer.pods))
        found = self._selected.get(key)
        if found is None:
            if peer.namespaces is None:
                inside = self._homes.get(home, 0)
            else:
                inside = self._pods & self._by_namespace.selected(peer.namespaces)
            found = self._selected[key] = inside and inside & self._by_labels.selected(peer.pods)
        return found

    def allowed_ports(
        self, rule: AnyRule, direction: Direction, subject: Identity | None, peers: int
    ) -> Iterator[tuple[int, int]]:
        """Yield sets of ports that the rule is about, each with those of the peers for whom it is.

        A name means a number of the pod that receives: the subject of ingress, each peer of egress.
        """
        if rule.ports is None:
            yield self.ports.everything, peers
            return
        fixed = 0
        for port in rule.ports:
            if isinstance(port, Ports):
                fixed |= self.ports.mask(port)
            elif direction is Direction.INGRESS:
                for number in port.numbers(subject) if subject else ():
                    fixed |= self.ports.mask(Ports(port.protocol, number, number))
            else:
                yield from self._named_at_peers(port, peers)
        if fixed:
            yield fixed, peers

    def _named_at_peers(self, port: PortName, peers: int) -> Iterator[tuple[int, int]]:
        for named, having in self._named.items():
            receivers = having & peers if (named.name, named.protocol) == (port.name, port.protocol) else 0
            if receivers:
                yield self.ports.mask(Ports(port.protocol, named.number, named.number)), receivers


def _all_ports(rules: Iterable[AnyRule], named: Iterable[NamedPort]) -> Iterator[Ports]:
    """Yield the ports of all rules; of a name the number of each pod that has it."""
    seen = {port for rule in rules for port in rule.ports or ()}
    yield from (port for port in seen if isinstance(port, Ports))
    yield from (Ports(port.protocol, port.number, port.number) for port in named)


def _key(selector: LabelSelector) -> _SelectorKey:
    return tuple(selector.match_labels.items()), selector.match_expressions


def all_blocks(rules: Iterable[AnyRule]) -> Iterator[Block]:
    """Yield every block of these rules."""
    return (peer for rule in rules for peer in rule.peers or () if isinstance(peer, Block))
