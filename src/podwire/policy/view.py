"""The current objects as policies see them, and which owners must be derived again when one of them changes. No I/O.

An owner of rows is a pod address (who bears it), the identity of pods of this node (what NetworkPolicies let them do),
or the same identity as a subject of ClusterNetworkPolicies.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeVar

from podwire.kube.addresses import parsed
from podwire.kube.meta import NamespacedName
from podwire.policy.attachments import Attachments
from podwire.policy.claims import Bearer, Claims
from podwire.policy.kinds import Kinds
from podwire.policy.label_keys import LabelKeys
from podwire.policy.model import (
    EVERYTHING,
    Block,
    Direction,
    Identity,
    IPAddress,
    Party,
    Pods,
    Policy,
    identity,
    namespace_matches,
    pods_match,
    policy,
)
from podwire.policy.peer_kinds import PeerKinds
from podwire.policy.peers import PeerPod
from podwire.policy.selections import Selections
from podwire.policy.tier_reading import cluster_policy
from podwire.policy.tier_view import TierView
from podwire.policy.tiers import TierSubject

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set

    from podwire.kernel.link_end import LinkEnd
    from podwire.kube.core import Namespace, Pod
    from podwire.kube.network_policy_api import ClusterNetworkPolicy
    from podwire.kube.networking import NetworkPolicy
    from podwire.kube.watch import Change
    from podwire.policy.pod_ranges import PodRanges
    from podwire.policy.tiers import ClusterPolicy

Owner = IPAddress | Identity | TierSubject
ObjectOrPolicyT = TypeVar("ObjectOrPolicyT")


class View:
    """All pods, namespaces and policies of the cluster, seen from one node.

    Every method that takes a change answers the owners whose rows may differ now.
    """

    def __init__(self, node: str, always: Sequence[ClusterPolicy] = (), ranges: PodRanges | None = None) -> None:
        """`always`: policies that count whatever objects there are. `ranges`: of pods; None where all are known."""
        self.node = node
        self.tiers = TierView(self, always, ranges)
        self.departed: set[Identity | str] = set()
        """Identities and names of namespaces that may need no number any more; the release of numbers empties it."""
        self._pods: defaultdict[str, dict[str, Pod]] = defaultdict(dict)
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._policies: defaultdict[str, dict[str, Policy]] = defaultdict(dict)
        self._reaching_out: dict[NamespacedName, Policy] = {}
        self._naming_blocks: dict[NamespacedName, Policy] = {}
        """Policies with named ports on blocks of addresses: their rows depend on each pod in the blocks."""
        self._selections = Selections()
        self._keys = LabelKeys(always)
        self._attachments = Attachments()
        self._bearers: dict[NamespacedName, Bearer] = {}
        self._peer_kinds = PeerKinds(self._keys.of)
        self._claims = Claims()
        self._kinds = Kinds()
        self._subjects: defaultdict[str, Counter[Identity]] = defaultdict(Counter)

    # What is there.

    def bearer(self, address: IPAddress) -> Bearer | None:
        """The pod that has the address. An attachment on this node takes precedence over a status.

        Of several pods whose status names the address, the youngest has it: the others are on their way out.
        """
        claimants = self._claims.of(address)
        holder = self._attachments.holder(address)
        if holder is not None:
            attached = self._bearers.get(holder)
            return attached if attached is not None and attached.local and attached in claimants else None
        found = max(claimants, key=lambda claimant: (claimant.created, claimant.uid), default=None)
        return self._peer(found) if isinstance(found, PeerPod) else found

    def link(self, address: IPAddress) -> LinkEnd | None:
        """Return the link that leads to an address of this node's pods."""
        return self._attachments.link(address)

    def local_addresses(self) -> list[IPAddress]:
        """Return the addresses of this node's pods."""
        return [address for bearer in self._bearers.values() if bearer.local for address in bearer.addresses]

    def peer_labels(self, address: IPAddress) -> Mapping[str, str]:
        """Return the labels of the pod of another node at the address; empty where there is none."""
        found = [one for one in self._claims.of(address) if isinstance(one, PeerPod)]
        youngest = max(found, key=lambda pod: (pod.created, pod.uid), default=None)
        return dict(youngest.kind.labels) if youngest is not None else {}

    def namespace_labels(self, name: str) -> Mapping[str, str] | None:
        """The labels of a namespace, None where it is not known."""
        return self._namespaces.get(name)

    def subjects(self) -> Iterable[Identity]:
        """The identities of this node's pods."""
        return (identity for counts in self._subjects.values() for identity in counts)

    def pod_addresses(self) -> Iterable[IPAddress]:
        """All addresses that some pod has."""
        return (address for address in self._claims.addresses() if self.bearer(address) is not None)

    def party(self, address: IPAddress) -> Party:
        """Return the party at the address: a pod, or no pod that policies know."""
        found = self.bearer(address)
        return Party(address, found.identity, found.node) if found else Party(address)

    def is_subject(self, identity: Identity) -> bool:
        """Whether some pod of this node has the identity."""
        return identity in self._subjects.get(identity.namespace, {})

    def selecting(self, identity: Identity, direction: Direction) -> list[Policy]:
        """The policies that isolate pods of this identity in this direction, in the order of their names."""
        found = self._policies.get(identity.namespace, {})
        names = self._selections.of(identity, found, keep=self.is_subject(identity))
        return [found[name] for name in sorted(names) if found[name].rules(direction) is not None]

    def identities(self, peer: Pods, home: str) -> Iterator[Identity]:
        """All identities that the peer of a policy in namespace `home` means."""
        for namespace in self.namespaces(peer, home):
            yield from self._kinds.selected(namespace, peer.pods)

    def namespaces(self, peer: Pods, home: str) -> Iterator[str]:
        """All namespaces that the peer looks into, those without pods included."""
        if peer.namespaces is None:
            yield home
            return
        for namespace in self._namespaces.keys() | self._kinds.namespaces:
            if namespace_matches(peer, home, namespace, self._namespaces.get):
                yield namespace

    def pods_in(self, block: Block) -> dict[Identity, tuple[set[IPAddress], set[IPAddress]]]:
        """Return the pods' addresses inside and outside of a block, by identity."""
        found: defaultdict[Identity, tuple[set[IPAddress], set[IPAddress]]] = defaultdict(lambda: (set(), set()))
        for address in self._claims.addresses():
            bearer = self.bearer(address)
            if bearer is not None:
                found[bearer.identity][0 if block.holds(address) else 1].add(address)
        return found

    def matches(self, peer: Pods, home: str, identity: Identity) -> bool:
        """Whether the peer of a policy in namespace `home` means pods of this identity."""
        return pods_match(peer, home, identity, self._namespaces.get)

    def alive(self, allocation: Identity | str) -> bool:
        """Whether some row may still need a number for the identity, or for the namespace of this name."""
        if isinstance(allocation, Identity):
            return allocation in self._kinds
        return bool(
            allocation in self._namespaces or allocation in self._kinds.namespaces or self._policies.get(allocation)
        )  # a policy's own namespace is a peer also while its object is not known

    # What changes.

    def namespace_changed(self, change: Change[Namespace]) -> set[Owner]:
        """A namespace came, went, or has other labels: policies that read labels of namespaces see other pods."""
        name = change.item.metadata.name
        before = self._namespaces.get(name)
        if change.new is None:
            self._namespaces.pop(name, None)
            self.departed.add(name)
        else:
            self._namespaces[name] = change.new.metadata.labels
        after = self._namespaces.get(name)
        dirty: set[Owner] = set(self.tiers.namespace_changed(name, before, after))
        for found in self._reaching_out.values():
            peers = [Pods(selector, EVERYTHING) for selector in found.namespace_selectors()]
            if any(
                namespace_matches(peer, "", name, lambda _: before)
                != namespace_matches(peer, "", name, lambda _: after)
                for peer in peers
            ):
                dirty |= self._selected(found)
        return dirty

    def pod_changed(self, change: Change[Pod]) -> set[Owner]:
        """A pod came, went, or is another one now."""
        key = change.item.key
        if change.new is None:
            _forget(self._pods, key)
        else:
            self._pods[key.namespace][key.name] = change.new
        return self._refresh([key])

    def peer_changed(self, change: Change[PeerPod]) -> set[Owner]:
        """A pod of another node came, went, or is another one now."""
        old = self._peer(change.old) if change.old else None
        new = self._peer(change.new) if change.new else None
        if change.old:
            self._peer_kinds.remove(change.old.kind)
            self._claims.remove(change.old)
        if change.new:
            self._peer_kinds.add(change.new.kind)
            self._claims.add(change.new)
        return self._moved([(old, new)])

    def attach(
        self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress], link: LinkEnd | None = None
    ) -> set[Owner]:
        """The pod with this uid has these addresses behind a link of this node, whatever its status is."""
        self._attachments.attach(pod, uid, addresses, link)
        return set(addresses) | self._refresh([pod]) | self.tiers.pods_moved((), addresses)

    def detach(self, pod: NamespacedName, uid: str, addresses: Sequence[IPAddress]) -> set[Owner]:
        """The pod has these addresses no longer."""
        self._attachments.detach(pod, uid, addresses)
        return set(addresses) | self._refresh([pod]) | self.tiers.pods_moved((), addresses)

    def policy_changed(self, change: Change[NetworkPolicy]) -> set[Owner]:
        """A policy came, went, or changed. It may make labels count that did not, and the reverse."""
        key = change.item.key
        old = _forget(self._policies, key)
        new = policy(change.new) if change.new else None
        if new:
            self._policies[key.namespace][key.name] = new
        else:
            self.departed.add(key.namespace)
        self._selections.policy_changed(key.namespace, key.name, new)
        self._reaching_out.pop(key, None)
        if new and new.reaches_out:
            self._reaching_out[key] = new
        self._naming_blocks.pop(key, None)
        if new and new.named_blocks:
            self._naming_blocks[key] = new
        dirty = self._keys_changed(self._keys.policy_changed(key.namespace, old, new))
        for either in filter(None, (old, new)):
            dirty |= self._selected(either)
        return dirty

    def cluster_policy_changed(self, change: Change[ClusterNetworkPolicy]) -> set[Owner]:
        """A ClusterNetworkPolicy came, went, or changed."""
        old = self.tiers.policy(change.item.metadata.name)
        new = cluster_policy(change.new) if change.new else None
        namespaces = self._keys.cluster_policy_changed(old, new)
        dirty: set[Owner] = set(self.tiers.policy_changed(old, new))
        return dirty | self._keys_changed(namespaces)

    # Inside.

    def _selected(self, found: Policy) -> set[Owner]:
        return {subject for subject in self._subjects.get(found.key.namespace, ()) if found.selects(subject)}

    def _keys_changed(self, namespaces: Set[str] | None) -> set[Owner]:
        """Other labels are read of pods of these namespaces, or of all (None): they may have another identity."""
        if namespaces is not None and not namespaces:
            return set()
        here = self._pods.keys() if namespaces is None else namespaces
        pods = [pod.key for home in here for pod in self._pods.get(home, {}).values()]
        elsewhere = self._peer_kinds.namespaces() if namespaces is None else namespaces
        return self._refresh(pods) | self._refresh_peers(elsewhere)

    def _refresh_peers(self, namespaces: Iterable[str]) -> set[Owner]:
        """Pods of other nodes in these namespaces may have another identity: looked at by kind."""
        renamed = {one.kind: one for one in self._peer_kinds.keys_changed(namespaces)}
        if not renamed:
            return set()
        appeared: Counter[Identity] = Counter()
        for one in renamed.values():
            appeared[one.old] -= one.pods
            appeared[one.new] += one.pods
        moved = {
            address
            for address in self._claims.addresses()
            if any(isinstance(pod, PeerPod) and pod.kind in renamed for pod in self._claims.of(address))
        }
        return moved | self._readers_in_blocks(moved) | self._readers_of(appeared, moved)

    def _peer(self, pod: PeerPod) -> Bearer:
        found = self._peer_kinds.identity(pod.kind)
        return Bearer(pod.key, found, pod.addresses, False, pod.node, pod.uid, pod.created)

    def _refresh(self, pods: Iterable[NamespacedName]) -> set[Owner]:
        moves = []
        for key in pods:
            old, new = self._bearers.get(key), self._bearer(key)
            if old == new:
                continue
            if old:
                self._count(old, -1)
            if new:
                self._count(new, +1)
            moves.append((old, new))
        return self._moved(moves)

    def _moved(self, moves: Iterable[tuple[Bearer | None, Bearer | None]]) -> set[Owner]:
        """Return the owners that pods concern which came, went, or are others now: before and after."""
        dirty: set[Owner] = set()
        appeared: Counter[Identity] = Counter()
        moved: set[IPAddress] = set()
        for old, new in moves:
            if old:
                appeared[old.identity] -= 1
                dirty.update(old.addresses, _subject_owners(old))
            if new:
                appeared[new.identity] += 1
                dirty.update(new.addresses, _subject_owners(new))
            moved.update(*(either.addresses for either in (old, new) if either))
        return dirty | self._readers_in_blocks(moved) | self._readers_of(appeared, moved)

    def _readers_in_blocks(self, moved: Collection[IPAddress]) -> set[Owner]:
        """Subjects with named ports on blocks that hold one of these addresses."""
        dirty: set[Owner] = set()
        for found in self._naming_blocks.values():
            if any(block.holds(address) for block in found.named_blocks for address in moved):
                dirty |= self._selected(found)
        return dirty

    def _readers_of(self, appeared: Counter[Identity], moved: Collection[IPAddress]) -> set[Owner]:
        """Count these differences; return subjects with rows that name an identity which they bring about or end."""
        dirty: set[Owner] = set()
        turned: list[Identity] = []
        for kind, difference in appeared.items():
            now = self._kinds.count(kind, difference)
            if (now > 0) != (now - difference > 0):
                dirty |= self._readers(kind)
                turned.append(kind)
            if not now:
                self.departed |= {kind, kind.namespace}
        return dirty | self.tiers.pods_moved(turned, moved)

    def _bearer(self, key: NamespacedName) -> Bearer | None:
        pod = self._pods.get(key.namespace, {}).get(key.name)
        if pod is None or pod.spec.host_network or pod.finished:
            return None
        sandboxes = self._attachments.of(key)
        attached = tuple(address for uid, held in sandboxes.items() if pod.is_run_as(uid) for address in held)
        local = bool(attached) or pod.spec.node_name == self.node
        addresses = attached if local else tuple(_addresses(pod.addresses))
        if not addresses:
            return None
        found = identity(pod, self._keys.of(key.namespace))
        created = pod.metadata.creation_timestamp or ""
        return Bearer(key, found, addresses, local, pod.spec.node_name, pod.metadata.uid, created)

    def _count(self, bearer: Bearer, step: int) -> None:
        kind = bearer.identity
        if bearer.local:
            self._subjects[kind.namespace][kind] += step
            _drop_zero(self._subjects, kind)
            if not self.is_subject(kind):
                self._selections.remove(kind)
        if step > 0:
            self._bearers[bearer.key] = bearer
            self._claims.add(bearer)
        else:
            del self._bearers[bearer.key]
            self._claims.remove(bearer)

    def _readers(self, kind: Identity) -> set[Owner]:
        """Subjects on this node with rows that name this very identity."""
        dirty: set[Owner] = set()
        policies = {p.key: p for p in self._policies.get(kind.namespace, {}).values()} | self._reaching_out
        for found in policies.values():
            if self._names(found, kind):
                dirty |= self._selected(found)
        return dirty

    def _names(self, found: Policy, kind: Identity) -> bool:
        """Whether rows of the policy name the identity: a peer by its labels, or a destination with named ports."""
        for rule in found.all_rules:
            if rule.peers is None and rule.names_ports:
                return True
            for peer in rule.peers or ():
                if (
                    isinstance(peer, Pods)
                    and (peer.pods != EVERYTHING or rule.names_ports)
                    and self.matches(peer, found.key.namespace, kind)
                ):
                    return True
        return False


def _subject_owners(bearer: Bearer) -> tuple[Owner, ...]:
    """The owners of what pods of this kind may do, if they are of this node."""
    return (bearer.identity, TierSubject(bearer.identity)) if bearer.local else ()


def _addresses(texts: Iterable[str]) -> Iterator[IPAddress]:
    return (address for address in map(parsed, texts) if address is not None)


def _forget(objects: dict[str, dict[str, ObjectOrPolicyT]], key: NamespacedName) -> ObjectOrPolicyT | None:
    """Remove an object, and its namespace with the last one; return what it was."""
    found = objects.get(key.namespace, {}).pop(key.name, None)
    if not objects.get(key.namespace, True):
        del objects[key.namespace]
    return found


def _drop_zero(counts: dict[str, Counter[Identity]], kind: Identity) -> None:
    if not counts[kind.namespace][kind]:
        del counts[kind.namespace][kind]
    if not counts[kind.namespace]:
        del counts[kind.namespace]
