"""What addresses and names of Envoy mean: pods, their workloads and Services. Pure."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from podwire.kube import pod_workloads
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.mesh.identity.spiffe import Spiffe
from podwire.mesh.model.workload import Workload

MOST_GONE = 1000
"""Addresses that are remembered after their pod has gone: Envoy counts the end of its connections afterwards."""


class Peer(msgspec.Struct, frozen=True):
    """A pod as metrics have it. `is_local`: of this node; `is_encrypted`: other nodes connect to it by TLS."""

    workload: str
    namespace: str
    identity: str
    service: NamespacedName | None
    is_local: bool
    is_encrypted: bool


class Surroundings:
    """Pods by address, with those that have gone; `follow` must be called with all that are known, before `peer`."""

    def __init__(self, trust_domain: str) -> None:
        self._trust_domain = trust_domain
        self._known: dict[str, tuple[Workload, bool]] = {}
        self._gone: OrderedDict[str, tuple[Workload, bool]] = OrderedDict()
        self._services: Mapping[str, tuple[Service, ...]] = {}
        self._peers: dict[str, Peer | None] = {}

    def follow(self, own: Iterable[Workload], peers: Iterable[Workload], services: Iterable[Service]) -> None:
        """Take the pods of this node, those of others, and all Services."""
        found = {str(address): (one, False) for one in peers for address in one.addresses}
        found |= {str(address): (one, True) for one in own for address in one.addresses}
        self._gone.update((address, one) for address, one in self._known.items() if address not in found)
        while len(self._gone) > MOST_GONE:
            self._gone.popitem(last=False)
        self._known = found
        by_namespace: dict[str, list[Service]] = defaultdict(list)
        for service in services:
            if service.spec.selector:
                by_namespace[service.metadata.namespace].append(service)
        self._services = {name: tuple(each) for name, each in by_namespace.items()}
        self._peers.clear()

    def peer(self, address: str) -> Peer | None:
        """Return the pod that has an address, or had it last; None where none is known."""
        if address not in self._peers:
            self._peers[address] = self._found(address)
        return self._peers[address]

    def _found(self, address: str) -> Peer | None:
        one, is_local = self._known.get(address) or self._gone.get(address) or (None, False)
        if one is None:
            return None
        return Peer(
            pod_workloads.workload(one.key.name, one.labels).name,
            one.namespace,
            str(Spiffe(self._trust_domain, one.namespace, one.service_account)),
            self._service(one),
            is_local,
            one.redirected if not is_local else one.enrolled,
        )

    def _service(self, pod: Workload) -> NamespacedName | None:
        """Return the one Service that selects a pod; of several the one with an address of its own, else None."""
        found = [
            one for one in self._services.get(pod.namespace, ()) if one.spec.selector.items() <= pod.labels.items()
        ]
        if len(found) > 1:
            found = [one for one in found if one.spec.cluster_ip != "None"]
        return found[0].key if len(found) == 1 else None
