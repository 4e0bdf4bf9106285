"""Addresses of pods and the namespaces that they are in: for names of pods that exist, and for search lists."""

from __future__ import annotations

import ipaddress

import msgspec

from podwire.dns.names import IPAddress
from podwire.kube import kinds
from podwire.kube.client import Client
from podwire.kube.core import Pod
from podwire.kube.informer import Informer
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change


class KeptPod(msgspec.Struct, frozen=True):
    """What is kept of a pod with a network of its own that has not ended."""

    key: NamespacedName
    addresses: tuple[str, ...]


def kept(pod: Pod) -> KeptPod | None:
    """What is kept of a pod; None where it has no address of its own."""
    if pod.spec.host_network or pod.status.phase in {"Succeeded", "Failed"} or not pod.status.pod_ips:
        return None
    return KeptPod(pod.key, tuple(one.ip for one in pod.status.pod_ips))


class PodAddressIndex:
    """Follows pods and indexes them by address."""

    def __init__(self, client: Client) -> None:
        self.informer: Informer[KeptPod] = Informer(client, kinds.PODS, keep=kept, stream_initial=True)
        self._namespaces: dict[bytes, dict[NamespacedName, None]] = {}
        self.informer.subscribe(self._changed)

    def exists(self, namespace: str, address: IPAddress) -> bool:
        """Whether a namespace has a pod with this address."""
        return any(key.namespace == namespace for key in self._namespaces.get(address.packed, ()))

    def namespace(self, client: str) -> str:
        """The namespace of the pod with this address; empty if there is none."""
        try:
            packed = ipaddress.ip_address(client.partition("%")[0]).packed
        except ValueError:
            return ""
        return next((key.namespace for key in self._namespaces.get(packed, ())), "")

    def _changed(self, change: Change[KeptPod]) -> None:
        for pod, add in ((change.old, False), (change.new, True)):
            for text in pod.addresses if pod is not None else ():
                assert pod is not None
                try:
                    packed = ipaddress.ip_address(text).packed
                except ValueError:
                    continue
                found = self._namespaces.setdefault(packed, {})
                if add:
                    found[pod.key] = None
                else:
                    found.pop(pod.key, None)
                if not found:
                    del self._namespaces[packed]
