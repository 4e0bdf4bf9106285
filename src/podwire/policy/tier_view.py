"""ClusterNetworkPolicies as one node sees them, and whose decisions change when something else does. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.kube.addresses import parsed
from podwire.kube.selectors import matches
from podwire.policy.model import (
    EVERYTHING,
    Block,
    Identity,
    IPAddress,
    Pods,
    namespace_matches,
    pods_match,
)
from podwire.policy.pod_networks import PodNetworks
from podwire.policy.pod_ranges import PodRanges
from podwire.policy.tier_decisions import TierDecisions, decisions
from podwire.policy.tiers import (
    Action,
    ClusterPolicy,
    NamePeers,
    NodePeers,
    TierPeer,
    TierSubject,
    sorted_policies,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from podwire.kube.core import Node
    from podwire.kube.watch import Change
    from podwire.policy.model import Direction, NamedPort
    from podwire.policy.surroundings import Surroundings

Profile = tuple["Direction", tuple[str, ...], "tuple[NamedPort, ...]"]
"""What the decisions for a subject depend on: the policies that select it; for what it receives its named ports too."""


class TierView:
    """The policies in the order in which they decide, with the nodes and names that they read.

    Every method that takes a change returns the subjects of this node whose decisions may differ now.
    """

    def __init__(
        self, surroundings: Surroundings, always: Sequence[ClusterPolicy] = (), ranges: PodRanges | None = None
    ) -> None:
        self.ranges = ranges if ranges is not None else PodRanges()
        self._surroundings = surroundings
        self._always = tuple(always)
        self._policies: dict[str, ClusterPolicy] = {policy.name: policy for policy in always}
        self._order = sorted_policies(self._policies.values())
        self._networks = PodNetworks()
        self._nodes: dict[str, tuple[Mapping[str, str], frozenset[IPAddress]]] = {}
        self._names: dict[str, frozenset[IPAddress]] = {}
        self._former: dict[str, frozenset[IPAddress]] = {}
        """Addresses that names had: connections to them that are established go on."""
        self.resolvers: frozenset[IPAddress] = frozenset()
        """Addresses of the cluster's DNS."""
        self._selecting: dict[Identity, tuple[ClusterPolicy, ...]] = {}
        self._decisions: dict[Profile, TierDecisions] = {}

    # What is there.

    def selecting(self, identity: Identity) -> tuple[ClusterPolicy, ...]:
        """Return the policies of which pods of this identity are subjects, in the order in which they decide."""
        if not self._order:
            return ()
        found = self._selecting.get(identity)
        if found is None:
            labels = self._surroundings.namespace_labels
            found = tuple(policy for policy in self._order if policy.selects(identity, labels))
            self._selecting[identity] = found
        return found

    def decisions(self, subject: Identity, direction: Direction) -> TierDecisions | None:
        """Return what is decided for the pods of an identity; None where no policy has rules for it."""
        policies = [policy for policy in self.selecting(subject) if policy.rules(direction)]
        if not policies:
            return None
        ports = subject.ports if any(rule.names_ports for one in policies for rule in one.rules(direction)) else ()
        profile = (direction, tuple(policy.name for policy in policies), ports)
        found = self._decisions.get(profile)
        if found is None:
            found = self._decisions[profile] = decisions(policies, direction, subject, self)
        return found

    def meets_known_only(self, subject: Identity, direction: Direction) -> bool:
        """Whether addresses of pods that are not known are closed to the pods of an identity.

        They are where a rule denies, or leaves to others, what pods are: without Accept rules nothing more passes.
        """
        return bool(self.ranges.networks) and any(
            rule.action is not Action.ACCEPT and any(isinstance(peer, Pods) for peer in rule.peers or ())
            for policy in self.selecting(subject)
            for rule in policy.rules(direction)
        )

    def addresses(self, peer: NodePeers | NamePeers) -> Iterator[IPAddress]:
        """Return the addresses that nodes or names stand for now."""
        if isinstance(peer, NodePeers):
            for labels, addresses in self._nodes.values():
                if matches(peer.selector, labels):
                    yield from addresses
            return
        for name, addresses in self._names.items():
            if peer.means(name):
                yield from addresses

    @property
    def surroundings(self) -> Surroundings:
        """The pods and namespaces."""
        return self._surroundings

    @property
    def networks(self) -> PodNetworks:
        """Which networks hold all pods, which some."""
        return self._networks

    @property
    def policies(self) -> Sequence[ClusterPolicy]:
        """All policies in the order in which they decide."""
        return self._order

    def is_peer(self, peer: TierPeer, address: IPAddress, pod: Identity | None, *, established: bool = False) -> bool:
        """Whether the peer means this address, which the pod has; for an established connection names' former ones."""
        match peer:
            case Pods():
                return pod is not None and pods_match(peer, "", pod, self._surroundings.namespace_labels)
            case Block():
                return peer.holds(address)
            case _:
                return address in set(self.addresses(peer)) or (established and self._was_peer(peer, address))

    # What changes.

    def policy_changed(self, old: ClusterPolicy | None, new: ClusterPolicy | None) -> set[TierSubject]:
        """A policy came, went, or changed."""
        if old is not None:
            self._networks.unname(old.networks)
            self._policies.pop(old.name, None)
        if new is not None:
            self._networks.name(new.networks, self._surroundings.pod_addresses())
            self._policies[new.name] = new
        self._order = sorted_policies(self._policies.values())
        self._selecting.clear()
        self._decisions.clear()
        return self._subjects(each for each in (old, new) if each is not None)

    def policy(self, name: str) -> ClusterPolicy | None:
        """Return the policy of this name."""
        return self._policies.get(name)

    def namespace_changed(
        self, name: str, before: Mapping[str, str] | None, after: Mapping[str, str] | None
    ) -> set[TierSubject]:
        """A namespace came, went, or has other labels."""
        self._selecting = {identity: found for identity, found in self._selecting.items() if identity.namespace != name}
        self._decisions.clear()

        def flips(peer: object) -> bool:
            return isinstance(peer, Pods) and _flips(peer, name, before, after)

        changed = [policy for policy in self._order if any(map(flips, policy.peers))]
        if not any(flips(policy.subject) for policy in self._order):
            return self._subjects(changed)
        mine = {TierSubject(each) for each in self._surroundings.subjects() if each.namespace == name}
        return mine | self._subjects(changed)

    def pods_moved(self, kinds: Iterable[Identity], addresses: Iterable[IPAddress]) -> set[TierSubject]:
        """Identities came to be or ended; these addresses have another pod than before."""
        if not self._order:
            return set()
        self._decisions.clear()
        appeared = tuple(kinds)
        for kind in appeared:
            self._selecting.pop(kind, None)
        changed = [policy for policy in self._order if any(self._names_kind(policy, kind) for kind in appeared)]
        moved = [(address, self._surroundings.bearer(address) is not None) for address in addresses]
        networks = self._networks.moved(moved)
        pointed = {address for address, _ in moved}
        changed += [one for one in self._order if one.networks & networks or self._points_at(one, pointed)]
        return self._subjects(changed)

    def node_changed(self, change: Change[Node]) -> set[TierSubject | IPAddress]:
        """A node came, went, or has other labels or addresses; return those in ranges of pods too."""
        node = change.item
        return {*self._node_peers_changed(node, change), *self.ranges.node_changed(node.metadata.name, change.new)}

    def _node_peers_changed(self, node: Node, change: Change[Node]) -> set[TierSubject]:
        before = self._nodes.pop(node.metadata.name, None)
        if change.new is not None:
            found = (parsed(entry.address) for entry in node.status.addresses)
            held = frozenset(address for address in found if address is not None)
            self._nodes[node.metadata.name] = (node.metadata.labels, held)
        after = self._nodes.get(node.metadata.name)
        if before == after:
            return set()
        self._decisions.clear()
        either = [labels for labels, _ in filter(None, (before, after))]
        return self._subjects(
            policy
            for policy in self._order
            if any(isinstance(p, NodePeers) and any(matches(p.selector, e) for e in either) for p in policy.peers)
        )

    def name_changed(
        self, name: str, addresses: Iterable[IPAddress], former: Iterable[IPAddress] = ()
    ) -> set[TierSubject]:
        """The cluster's DNS has these addresses for a name (in lower case, without a last dot) now; none: no longer.

        `former` are those that it had before, as far as they are remembered.
        """
        held = frozenset(addresses)
        self._former[name] = frozenset(former)
        if not self._former[name]:
            del self._former[name]
        if held == self._names.get(name, frozenset()):
            return set()
        if held:
            self._names[name] = held
        else:
            del self._names[name]
        self._decisions.clear()
        return self._subjects(self.naming(name))

    def naming(self, name: str) -> list[ClusterPolicy]:
        """Return the policies with a rule for this name."""
        return [
            policy for policy in self._order if any(isinstance(p, NamePeers) and p.means(name) for p in policy.peers)
        ]

    def resolvers_changed(self, addresses: Iterable[IPAddress]) -> frozenset[IPAddress]:
        """The cluster's DNS has these addresses now; return those that it had not, or has no longer."""
        before, self.resolvers = self.resolvers, frozenset(addresses)
        return before ^ self.resolvers

    def naming_for(self, identity: Identity, name: str | None = None) -> bool:
        """Whether a policy of which pods of this identity are subjects has a rule for the name, or for any name."""
        peers = (peer for policy in self.selecting(identity) for rule in policy.egress for peer in rule.peers or ())
        return any(isinstance(peer, NamePeers) and (name is None or peer.means(name)) for peer in peers)

    # Inside.

    def _was_peer(self, peer: TierPeer, address: IPAddress) -> bool:
        return isinstance(peer, NamePeers) and any(
            address in held for name, held in self._former.items() if peer.means(name)
        )

    def _subjects(self, policies: Iterable[ClusterPolicy]) -> set[TierSubject]:
        """The subjects of this node that one of the policies selects."""
        changed = [policy.subject for policy in policies if policy.all_rules]
        if not changed:
            return set()
        labels = self._surroundings.namespace_labels
        return {
            TierSubject(identity)
            for identity in self._surroundings.subjects()
            if any(pods_match(subject, "", identity, labels) for subject in changed)
        }

    def _names_kind(self, policy: ClusterPolicy, kind: Identity) -> bool:
        """Whether decisions of the policy are for the very identity: by labels, or by its named ports."""
        return any(
            isinstance(peer, Pods)
            and (peer.pods != EVERYTHING or rule.names_ports)
            and pods_match(peer, "", kind, self._surroundings.namespace_labels)
            for rule in policy.all_rules
            for peer in rule.peers or ()
        )

    def _points_at(self, policy: ClusterPolicy, moved: set[IPAddress]) -> bool:
        """Whether nodes or names of the policy stand for one of these addresses."""
        return any(
            isinstance(peer, NodePeers | NamePeers) and not moved.isdisjoint(self.addresses(peer))
            for peer in policy.peers
        )


def _flips(peer: Pods, name: str, before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> bool:
    """Whether the peer looks into the namespace before and not after, or the reverse."""
    return namespace_matches(peer, "", name, lambda _: before) != namespace_matches(peer, "", name, lambda _: after)
