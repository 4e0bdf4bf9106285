"""The pods and namespaces that redirection reads, and which rows each pod has. No I/O."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.kube.meta import NamespacedName
from podwire.redirection.enrolment import pod_enrolled
from podwire.redirection.rows import ElementRow, node_rows, peer_rows, pod_rows, range_rows

CLUSTER = NamespacedName("", "")
"""The owner of rows that belong to no pod."""


class LocalPod(msgspec.Struct, frozen=True):
    """A pod of this node with addresses of its own."""

    key: NamespacedName
    labels: dict[str, str]
    addresses: tuple[IPAddress, ...]


class RedirectionView:
    """What a node knows. An owner is a pod, or CLUSTER."""

    def __init__(self, ranges: Iterable[IPNetwork]) -> None:
        self._ranges = tuple(_disjoint(ranges))
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._pods: dict[NamespacedName, LocalPod] = {}
        self._peers: dict[NamespacedName, tuple[IPAddress, ...]] = {}
        self._nodes: dict[str, tuple[IPAddress, ...]] = {}

    def namespace_changed(self, name: str, labels: Mapping[str, str] | None) -> tuple[NamespacedName, ...]:
        """Take the labels of a namespace, None where it is gone; return the owners that it concerns."""
        if labels is None:
            self._namespaces.pop(name, None)
        else:
            self._namespaces[name] = labels
        return tuple(key for key in self._pods if key.namespace == name)

    def pod_changed(self, key: NamespacedName, pod: LocalPod | None) -> tuple[NamespacedName, ...]:
        """Take a pod of this node, None where it is gone or has no address; return the owners that it concerns."""
        if pod is None:
            self._pods.pop(key, None)
        else:
            self._pods[key] = pod
        return (key,)

    def peer_changed(self, key: NamespacedName, addresses: tuple[IPAddress, ...]) -> tuple[NamespacedName, ...]:
        """Take the addresses of a pod of another node; none where no Envoy receives its connections any more."""
        if addresses:
            self._peers[key] = addresses
        else:
            self._peers.pop(key, None)
        return (key,)

    def node_changed(self, name: str, addresses: tuple[IPAddress, ...]) -> tuple[NamespacedName, ...]:
        """Take the addresses of a node; none where it is gone. Return the owners that it concerns."""
        if self._nodes.get(name, ()) == addresses:
            return ()
        if addresses:
            self._nodes[name] = addresses
        else:
            del self._nodes[name]
        return (CLUSTER,)

    @property
    def owners(self) -> tuple[NamespacedName, ...]:
        """All that have rows, or may have."""
        return (CLUSTER, *self._pods, *self._peers)

    @property
    def enrolled(self) -> tuple[NamespacedName, ...]:
        """The pods of this node that are enrolled."""
        return tuple(key for key in self._pods if self.is_enrolled(key))

    def is_enrolled(self, key: NamespacedName) -> bool:
        """Whether this is an enrolled pod of this node. In a namespace that is not known none is."""
        pod, namespace = self._pods.get(key), self._namespaces.get(key.namespace)
        return pod is not None and namespace is not None and pod_enrolled(pod.labels, namespace)

    def rows(self, owner: NamespacedName) -> Iterator[ElementRow]:
        """The rows of an owner."""
        if owner == CLUSTER:
            yield from range_rows(self._ranges)
            yield from node_rows(sorted({one for found in self._nodes.values() for one in found}, key=_order))
        elif self.is_enrolled(owner):
            yield from pod_rows(self._pods[owner].addresses)
        else:
            yield from peer_rows(self._peers.get(owner, ()))


def _order(address: IPAddress) -> tuple[int, int]:
    return address.version, int(address)


def _disjoint(networks: Iterable[IPNetwork]) -> Iterator[IPNetwork]:
    found = tuple(networks)
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv4Network))
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv6Network))
