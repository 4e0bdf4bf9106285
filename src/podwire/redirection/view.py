"""The pods and namespaces that redirection reads, and which rows each pod has. No I/O."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.kube.meta import NamespacedName
from podwire.redirection.enrolment import pod_enrolled
from podwire.redirection.rows import peer_rows, pod_rows, range_rows

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
        self._selectors: dict[str, dict[NamespacedName, Mapping[str, str]]] = defaultdict(dict)
        """By namespace, of Services that are enrolled by their own labels."""

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

    def service_changed(self, key: NamespacedName, selector: Mapping[str, str] | None) -> tuple[NamespacedName, ...]:
        """Take the selector of a Service that is enrolled by its own labels; None for others and where it is gone.

        Return the owners that it concerns.
        """
        if self._selectors.get(key.namespace, {}).get(key) == selector:
            return ()
        if selector is None:
            del self._selectors[key.namespace][key]
        else:
            self._selectors[key.namespace][key] = selector
        return tuple(one for one in self._pods if one.namespace == key.namespace)

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
        if pod is None or namespace is None:
            return False
        return pod_enrolled(pod.labels, namespace, self._selectors.get(key.namespace, {}).values())

    def rows(self, owner: NamespacedName) -> Iterator[ElementRow]:
        """The rows of an owner."""
        if owner == CLUSTER:
            yield from range_rows(self._ranges)
        elif self.is_enrolled(owner):
            yield from pod_rows(self._pods[owner].addresses)
        else:
            yield from peer_rows(self._peers.get(owner, ()))


def _disjoint(networks: Iterable[IPNetwork]) -> Iterator[IPNetwork]:
    found = tuple(networks)
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv4Network))
    yield from ipaddress.collapse_addresses(one for one in found if isinstance(one, ipaddress.IPv6Network))
