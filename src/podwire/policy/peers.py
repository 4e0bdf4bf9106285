"""Pods of other nodes as policies see them: addresses, and what distinguishes kinds of pods. All else is left out.

A cluster has thousands of pods of other nodes and few kinds of them, so a kind is one object for all of its pods.
Pods without an address, of the node's network, or that have ended are no peers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import msgspec

from podwire.kube.addresses import parsed
from podwire.kube.core import FINISHED
from podwire.kube.kinds import Kind
from podwire.kube.meta import NamespacedName
from podwire.policy.model import Identity, IPAddress, NamedPort, named_ports
from podwire.policy.peer_objects import PeerPodObject

if TYPE_CHECKING:
    from collections.abc import Iterable

PEER_PODS = Kind("v1", "Pod", "pods", PeerPodObject)


class PodKind(msgspec.Struct, frozen=True, weakref=True):
    """Pods that have the namespace, all labels and the named ports in common, such as replicas of one ReplicaSet."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    ports: tuple[NamedPort, ...] = ()

    def identity(self, keys: Iterable[str]) -> Identity:
        """The identity of such pods where policies read these label keys."""
        read = frozenset(keys)
        return Identity(self.namespace, tuple(pair for pair in self.labels if pair[0] in read), self.ports)


class PeerPod(msgspec.Struct, frozen=True, gc=False):
    """A pod of another node. `created` is the API's time stamp, which sorts as text."""

    name: str
    kind: PodKind
    addresses: tuple[IPAddress, ...]
    node: str
    uid: str
    created: str

    @property
    def key(self) -> NamespacedName:
        """Namespace and name."""
        return NamespacedName(self.kind.namespace, self.name)


class PeerPods:
    """Makes peers of the pods of an API server, with one object for what many of them have in common."""

    def __init__(self) -> None:
        self._kinds: WeakValueDictionary[tuple[object, ...], PodKind] = WeakValueDictionary()
        self._texts: dict[str, str] = {}
        """Names of nodes and namespaces, keys of labels: few in all."""

    def __len__(self) -> int:
        """How many kinds there are."""
        return len(self._kinds)

    def peer(self, pod: PeerPodObject) -> PeerPod | None:
        """The pod as a peer, None where it is none."""
        metadata, status = pod.metadata, pod.status
        if pod.spec.host_network or status.phase in FINISHED:
            return None
        texts = [entry.ip for entry in status.pod_ips] or [status.pod_ip]
        addresses = tuple(address for address in map(parsed, texts) if address is not None)
        if not addresses:
            return None
        return PeerPod(
            metadata.name,
            self._kind(pod),
            addresses,
            self._shared(pod.spec.node_name),
            metadata.uid,
            metadata.creation_timestamp or "",
        )

    def _kind(self, pod: PeerPodObject) -> PodKind:
        labels = tuple(sorted(pod.metadata.labels.items()))
        parts = (self._shared(pod.metadata.namespace), labels, named_ports(pod))
        return self._kinds.get(parts) or self._kinds.setdefault(parts, PodKind(*parts))

    def _shared(self, text: str) -> str:
        return self._texts.setdefault(text, text)


def peer_selector(node: str) -> str:
    """The field selector of pods that may be peers on this node: those of others that have an address.

    Of the five or six states that a pod's start and end have, servers send those that matter: address, readiness, end.
    Source: k8s.io/kubernetes `pkg/registry/core/pod/strategy.go` ToSelectableFields.
    """
    return ",".join(
        (
            f"spec.nodeName!={node}",
            "spec.hostNetwork=false",
            "status.podIP!=",
            *(f"status.phase!={one}" for one in FINISHED),
        )
    )
