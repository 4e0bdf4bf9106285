"""Classes of pods that no policy can distinguish: the axes of the matrix. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from podwire.insight.reach.address_sets import FAMILIES, AddressSets
from podwire.kube.meta import LabelSelector
from podwire.policy.model import Identity, IPAddress, IPNetwork, NamedPort, Pods, Policy, PortName
from podwire.policy.tiers import ClusterPolicy


class PodGroup(msgspec.Struct, frozen=True):
    """Pods of one workload: they have namespace, labels, ports and network in common.

    Attributes:
        namespace, labels, ports: what selectors and named ports read.
        host_network: whether they use the node's network: policies see them as addresses only.
        pods: how many there are.
        addresses: of each pod that has some already.
        mesh: the number of what they are to policies of the mesh, where there are some.

    """

    namespace: str
    labels: Mapping[str, str]
    ports: tuple[NamedPort, ...] = ()
    host_network: bool = False
    pods: int = 1
    addresses: tuple[tuple[IPAddress, ...], ...] = ()
    mesh: int = -1


class Place(msgspec.Struct, frozen=True):
    """Where a pod is in one family: whether it may have an address there, and the blocks that hold that, by number."""

    exists: bool = True
    held: int = 0
    undecided: int = 0
    """Blocks of which it is not known, as the pod has no address yet."""


class PodClass(msgspec.Struct, frozen=True):
    """Pods that are the same to every policy. Without an identity they use the network of their node."""

    identity: Identity | None
    ipv4: Place
    ipv6: Place
    mesh: int = -1

    def place(self, family: int) -> Place:
        """Where the pods are in a family, 4 or 6."""
        return self.ipv4 if family == 4 else self.ipv6


class Classes(msgspec.Struct, frozen=True):
    """All classes, and how the pods of groups are distributed: usually those of a group are of one class."""

    found: tuple[PodClass, ...]
    members: tuple[Mapping[int, int], ...]
    """Of each class: the number of its pods by group."""

    def of_groups(self) -> dict[int, list[int]]:
        """Return the classes of each group."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for number, groups in enumerate(self.members):
            for group in groups:
                found[group].append(number)
        return dict(found)


Values = Mapping[str, frozenset[str]]
"""Keys of labels, with the values that selectors name."""
OTHER_VALUE = "\0"
"""In place of any value that no selector names: such values make no difference."""


class Reading(msgspec.Struct, frozen=True):
    """What policies read of pods: labels in their own namespace and in all, names of ports."""

    own: Mapping[str, Values]
    far: Values
    names: frozenset[tuple[str, str]]

    def identity(self, group: PodGroup) -> Identity:
        """Return the identity of the group's pods, without what makes no difference: other values, other ports."""
        own = self.own.get(group.namespace, {})
        labels = []
        for key, value in group.labels.items():
            if key in own or key in self.far:
                is_named = value in own.get(key, ()) or value in self.far.get(key, ())
                labels.append((key, value if is_named else OTHER_VALUE))
        ports = tuple(port for port in group.ports if (port.name, port.protocol) in self.names)
        return Identity(group.namespace, tuple(sorted(labels)), ports)


def reading(policies: Iterable[Policy], tiers: Iterable[ClusterPolicy] = ()) -> Reading:
    """Return what these policies read."""
    own: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    far: defaultdict[str, set[str]] = defaultdict(set)
    names: set[tuple[str, str]] = set()
    for policy in policies:
        home = own[policy.key.namespace]
        _note(home, policy.selector)
        for rule in policy.all_rules:
            for peer in rule.peers or ():
                if isinstance(peer, Pods):
                    _note(home if peer.namespaces is None else far, peer.pods)
            names.update((port.name, port.protocol) for port in rule.ports or () if isinstance(port, PortName))
    for one in tiers:
        for peer in (one.subject, *(peer for peer in one.peers if isinstance(peer, Pods))):
            _note(far, peer.pods)
        for tier_rule in one.all_rules:
            names.update((port.name, port.protocol) for port in tier_rule.ports or () if isinstance(port, PortName))
    return Reading({home: _values(found) for home, found in own.items()}, _values(far), frozenset(names))


def _note(found: defaultdict[str, set[str]], selector: LabelSelector) -> None:
    for key, value in selector.match_labels.items():
        found[key].add(value)
    for requirement in selector.match_expressions:
        found[requirement.key].update(requirement.values)


def _values(found: Mapping[str, set[str]]) -> Values:
    return {key: frozenset(values) for key, values in found.items()}


def classes(
    groups: Sequence[PodGroup], read: Reading, blocks: AddressSets, ranges: Mapping[int, Sequence[IPNetwork]]
) -> Classes:
    """Sort the pods of groups into classes. `ranges` are those of pods' addresses, by family, of pods without one."""
    unknown = [_somewhere(blocks, ranges.get(family, ()), family) for family in FAMILIES]
    anywhere = [_anywhere(blocks, family) for family in FAMILIES]
    counted: dict[PodClass, dict[int, int]] = {}
    for number, group in enumerate(groups):
        identity = None if group.host_network else read.identity(group)
        for addresses in group.addresses:
            known = [_at(blocks, addresses, family) for family in FAMILIES]
            _count(counted, PodClass(identity, known[0], known[1], group.mesh), number, 1)
        if left := group.pods - len(group.addresses):
            places = anywhere if group.host_network else unknown
            _count(counted, PodClass(identity, places[0], places[1], group.mesh), number, left)
    return Classes(tuple(counted), tuple(counted.values()))


def _count(counted: dict[PodClass, dict[int, int]], one: PodClass, group: int, pods: int) -> None:
    members = counted.setdefault(one, {})
    members[group] = members.get(group, 0) + pods


def _at(blocks: AddressSets, addresses: Iterable[IPAddress], family: int) -> Place:
    own = [address for address in addresses if address.version == family]
    return Place(bool(own), blocks.holding(own[0]) if own else 0)


def _somewhere(blocks: AddressSets, ranges: Sequence[IPNetwork], family: int) -> Place:
    every, some = blocks.holding_range(ranges, family)
    return Place(bool(ranges), every, some)


def _anywhere(blocks: AddressSets, family: int) -> Place:
    """A node that is not known has any address of the family."""
    every, some = blocks.whole_family(family)
    return Place(True, every, some)
