"""A small cluster for tests: objects in as text, the view and its rows out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import yaml

from podwire.kernel.link_end import LinkEnd
from podwire.kube.core import (
    Container,
    ContainerPort,
    Namespace,
    Node,
    NodeAddress,
    NodeStatus,
    Pod,
    PodIP,
    PodSpec,
    PodStatus,
)
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.network_policy_api import ClusterNetworkPolicy
from podwire.kube.networking import NetworkPolicy
from podwire.kube.watch import Change
from podwire.policy.derivation import rows
from podwire.policy.model import Identity, IPAddress
from podwire.policy.numbering import ANY_POD
from podwire.policy.peer_objects import PeerPodObject
from podwire.policy.peers import PeerPod, PeerPods
from podwire.policy.pod_ranges import PodRanges
from podwire.policy.rows import Row
from podwire.policy.tiers import ClusterPolicy
from podwire.policy.verdict import Verdict, verdict
from podwire.policy.view import Owner, View

Item = Namespace | Pod | NetworkPolicy | ClusterNetworkPolicy | Node


def address(text: str) -> IPAddress:
    return ipaddress.ip_address(text)


def name(text: str) -> NamespacedName:
    namespace, _, rest = text.partition("/")
    return NamespacedName(namespace, rest)


def namespace(key: str, **labels: str) -> Namespace:
    return Namespace(metadata=ObjectMeta(name=key, labels={"kubernetes.io/metadata.name": key, **labels}))


def pod(key: str, ips: str = "", *, node: str = "node-1", ports: str = "", labels: str = "", **more: Any) -> Pod:
    """A pod such as pod("x/a", "10.0.0.1 fd00::1", ports="web=80/TCP", labels="app=a tier=b")."""
    known = name(key)
    named = [port.replace("=", "/").split("/") for port in ports.split()]
    container = Container(name="c", ports=tuple(ContainerPort(int(n), label, p) for label, n, p in named))
    metadata = ObjectMeta(
        name=known.name,
        namespace=known.namespace,
        uid=more.pop("uid", f"uid-{key}"),
        creation_timestamp=more.pop("created", "2026-01-01T00:00:00Z"),
        labels={"pod": known.name} | dict(pair.split("=") for pair in labels.split()),
    )
    status = PodStatus(phase=more.pop("phase", "Running"), pod_ips=tuple(PodIP(ip) for ip in ips.split()))
    return Pod(metadata=metadata, spec=PodSpec(containers=(container,), node_name=node, **more), status=status)


def network_policy(key: str, spec: str) -> NetworkPolicy:
    """A policy from its name and the YAML of its spec."""
    known = name(key)
    document = {"metadata": {"name": known.name, "namespace": known.namespace}, "spec": yaml.safe_load(spec)}
    return msgspec.convert(document, NetworkPolicy)


def cluster_policy(key: str, spec: str) -> ClusterNetworkPolicy:
    """A ClusterNetworkPolicy from its name and the YAML of its spec."""
    return msgspec.convert({"metadata": {"name": key}, "spec": yaml.safe_load(spec)}, ClusterNetworkPolicy)


def node(key: str, ips: str, **labels: str) -> Node:
    """A node with these addresses."""
    addresses = tuple(NodeAddress(type="InternalIP", address=ip) for ip in ips.split())
    return Node(metadata=ObjectMeta(name=key, labels=labels), status=NodeStatus(addresses=addresses))


def peer(reading: PeerPods, item: Pod) -> PeerPod | None:
    """A pod of another node as its JSON is read."""
    return reading.peer(msgspec.json.decode(msgspec.json.encode(item), type=PeerPodObject))


class Counted:
    """Numbers in the order of asking: an allocation without a file."""

    def __init__(self) -> None:
        self.given: dict[Identity | str, int] = {}

    def namespace(self, name: str) -> int:
        return self.given.setdefault(name, ANY_POD | (len(self.given) + 1) << 16)

    def identity(self, identity: Identity) -> int:
        return self.given.setdefault(identity, self.namespace(identity.namespace) | len(self.given) + 1)


class Cluster:
    """A view that receives objects, and keeps which owners it called dirty and what rows they want."""

    def __init__(
        self, node: str = "node-1", always: Sequence[ClusterPolicy] = (), ranges: PodRanges | None = None
    ) -> None:
        self.view = View(node, always, ranges)
        self.numbers = Counted()
        self.dirty: set[Owner] = set()
        self.rows: dict[Owner, frozenset[Row]] = {}
        self._known: dict[tuple[type, NamespacedName], Any] = {}
        self._peers: dict[NamespacedName, PeerPod] = {}
        self._reading = PeerPods()

    def add(self, *objects: Item, attach: bool = True) -> None:
        """Objects are new or changed. Pods of this node are attached with the addresses of their status."""
        for item in objects:
            change = Change(self._known.get((type(item), item.key)), item)
            self._known[type(item), item.key] = item
            self._tell(change)
            if isinstance(item, Pod) and attach and item.spec.node_name == self.view.node and item.addresses:
                found = [address(ip) for ip in item.addresses]
                self._mark(self.view.attach(item.key, item.metadata.uid, found))

    def remove(self, *objects: Item) -> None:
        for item in objects:
            self._tell(Change(self._known.pop((type(item), item.key)), None))
            if isinstance(item, Pod):
                found = [address(ip) for ip in item.addresses]
                self._mark(self.view.detach(item.key, item.metadata.uid, found))

    def plug(self, links: Mapping[IPAddress, LinkEnd]) -> None:
        """The attached pods are behind these links."""
        for item in [
            one for one in self._known.values() if isinstance(one, Pod) and one.spec.node_name == self.view.node
        ]:
            found = [address(ip) for ip in item.addresses]
            if found and found[0] in links and self.view.link(found[0]) != links[found[0]]:
                self._mark(self.view.attach(item.key, item.metadata.uid, found, links[found[0]]))

    def policy(self, key: str, spec: str) -> NetworkPolicy:
        made = network_policy(key, spec)
        self.add(made)
        return made

    def cluster_policy(self, key: str, spec: str) -> ClusterNetworkPolicy:
        made = cluster_policy(key, spec)
        self.add(made)
        return made

    def learn(self, name: str, addresses: Sequence[IPAddress]) -> None:
        """The cluster's DNS has these addresses for a name."""
        self._mark(set(self.view.tiers.name_changed(name, addresses)))

    def cluster_policies(self) -> list[ClusterNetworkPolicy]:
        return [item for item in self._known.values() if isinstance(item, ClusterNetworkPolicy)]

    def pod(self, key: str) -> Pod:
        found: Pod = self._known[Pod, name(key)]
        return found

    def policies(self) -> list[NetworkPolicy]:
        return [item for item in self._known.values() if isinstance(item, NetworkPolicy)]

    def verdict(self, source: str, destination: str, protocol: str = "TCP", port: int | None = 80) -> Verdict:
        """Between two addresses, or pods by namespace and name (their first address)."""
        left, right = self.view.party(self._address(source)), self.view.party(self._address(destination))
        return verdict(self.view, left, right, protocol, port)

    def allows(self, source: str, destination: str, protocol: str = "TCP", port: int | None = 80) -> bool:
        return self.verdict(source, destination, protocol, port).allowed

    def settle(self) -> set[Row]:
        """Derive who is dirty, as the reconciler does; all rows that are requested now."""
        for owner in self.dirty:
            self.rows[owner] = frozenset(rows(owner, self.view, self.numbers))
        self.dirty.clear()
        return set().union(*self.rows.values())

    def _address(self, end: str) -> IPAddress:
        return address(self.pod(end).addresses[0] if "/" in end else end)

    def _tell(self, change: Change[Any]) -> None:
        item = change.new or change.old
        if isinstance(item, Namespace):
            self._mark(self.view.namespace_changed(change))
        elif isinstance(item, Pod):
            self._tell_pod(change)
        elif isinstance(item, ClusterNetworkPolicy):
            self._mark(self.view.cluster_policy_changed(change))
        elif isinstance(item, Node):
            self._mark({*self.view.tiers.node_changed(change)})
        else:
            self._mark(self.view.policy_changed(change))

    def _tell_pod(self, change: Change[Pod]) -> None:
        """A pod of this node, or one of another as an agent knows those."""
        old, new = (
            one if one is not None and one.spec.node_name == self.view.node else None
            for one in (change.old, change.new)
        )
        if old is not None or new is not None:
            self._mark(self.view.pod_changed(Change(old, new)))
        item = change.new or change.old
        assert item is not None, "a change has an object before or after it"
        before = self._peers.pop(item.key, None)
        after = None if change.new is None or new is not None else peer(self._reading, change.new)
        if after is not None:
            self._peers[item.key] = after
        if before != after:
            self._mark(self.view.peer_changed(Change(before, after)))

    def _mark(self, owners: set[Owner]) -> None:
        self.dirty |= owners
