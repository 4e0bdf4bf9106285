"""What a node's Envoy serves, kept by informers: the pods of the node, the peers of the mesh, and whom to trust."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.kube.addresses import IPAddress, usable
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS, NAMESPACES, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.optional_informer import ABSENT, OptionalInformer
from podwire.mesh.authorization.transport import Transport
from podwire.mesh.envoy.node_workloads import NodeWorkloads
from podwire.mesh.identity.certificate import TrustBundle
from podwire.mesh.identity.spiffe import Spiffe
from podwire.mesh.identity.trust_objects import TRUST, trust_bundle
from podwire.mesh.kinds.transport_policy import TRANSPORT_POLICIES, TransportPolicy
from podwire.mesh.model.workload import Workload, doubtful, without, workload
from podwire.redirection.enrolment import ENABLED, REDIRECTED, enrolled

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.core import ConfigMap, Namespace, Pod
    from podwire.kube.services import Service

NOT_SERVED_SECONDS = 10.0
"""Until a kind that is not served is looked for again."""


class EnrolledService(msgspec.Struct, frozen=True):
    """A Service that is enrolled by its own labels: what it selects is, too."""

    key: NamespacedName
    selector: dict[str, str]


class WorkloadObjects:
    """Informers; `run` must run once. `changed` is called after each change of what `workloads` or `bundle` return."""

    def __init__(self, client: Client, node: str, trust_domain: str, changed: Callable[[], None]) -> None:
        self._trust_domain = trust_domain
        self._pods: Informer[Pod] = Informer(client, PODS, field_selector=f"spec.nodeName={node}")
        self._peers: Informer[Workload] = Informer(
            client,
            PODS,
            label_selector=f"{REDIRECTED}={ENABLED}",
            field_selector=f"spec.nodeName!={node}",
            keep=_peer,
            name="peers of the mesh",
        )
        self._namespaces: Informer[Namespace] = Informer(client, NAMESPACES)
        maps = msgspec.structs.replace(CONFIG_MAPS, within=TRUST.namespace)
        self._trust: Informer[ConfigMap] = Informer(client, maps, field_selector=f"metadata.name={TRUST.name}")
        self._transport: OptionalInformer[TransportPolicy] = OptionalInformer(
            client, TRANSPORT_POLICIES, retry_seconds=NOT_SERVED_SECONDS, not_served=ABSENT
        )
        self._services: Informer[EnrolledService] = Informer(
            client, SERVICES, keep=_enrolled_service, name="enrolled Services"
        )
        self.informers: tuple[Informer[Any], ...] = (
            self._pods,
            self._peers,
            self._namespaces,
            self._services,
            self._trust,
        )
        for informer in self.informers:
            informer.subscribe(lambda _: changed())
        self._transport.subscribe(lambda _: changed())

    @property
    def bundle(self) -> TrustBundle:
        """By what peers are verified; without roots before the controller has written it."""
        found = self._trust.objects.get(TRUST)
        return TrustBundle("") if found is None else trust_bundle(found)

    @property
    def workloads(self) -> NodeWorkloads:
        """The pods of the node and the peers, in the order of their names."""
        spaces = {one.metadata.name: one.metadata.labels for one in self._namespaces.objects.values()}
        selectors: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        for key, service in self._services.objects.items():
            selectors[key.namespace].append(service.selector)
        found = (
            workload(pod, spaces.get(pod.metadata.namespace), selectors.get(pod.metadata.namespace, ()))
            for pod in self._pods.objects.values()
        )
        own = sorted((one for one in found if one is not None), key=_key)
        peers = sorted(self._peers.objects.values(), key=_key)
        shared = doubtful(own)
        known = {address for one in own for address in one.addresses}
        return NodeWorkloads(
            self._trust_domain,
            tuple(without(own, shared)),
            tuple(without(peers, known | doubtful(peers))),
            transport=Transport(tuple(self._transport.objects.values())),
            doubtful=shared,
        )

    @property
    def addresses(self) -> frozenset[IPAddress]:
        """Of all pods of the node that run, those of the host's network too."""
        running = (pod for pod in self._pods.objects.values() if not pod.finished)
        return frozenset(one for pod in running for one in map(usable, pod.addresses) if one is not None)

    def identity(self, address: IPAddress) -> Spiffe | None:
        """Return the identity of the pod of this node that has an address; None where it is not known for sure."""
        found = {
            Spiffe(self._trust_domain, one.namespace, one.service_account)
            for one in (workload(pod, None) for pod in self._pods.objects.values())
            if one is not None and address in one.addresses
        }
        return found.pop() if len(found) == 1 else None

    @property
    def problems(self) -> tuple[str, ...]:
        """Why TransportPolicies are not known, with the remedy."""
        return (self._transport.problem,) if self._transport.problem else ()

    async def synced(self) -> None:
        """Return when every kind is known."""
        for informer in self.informers:
            await informer.synced.wait()
        await self._transport.synced.wait()

    async def run(self) -> None:
        """Follow the API server until cancelled. Raises ListenerError."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self.informers:
                tasks.create_task(informer.run())
            tasks.create_task(self._transport.run())


def _peer(pod: Pod) -> Workload | None:
    """Return a pod of another node. Its namespace need not be known: its own node has decided."""
    return workload(pod, None)


def _enrolled_service(service: Service) -> EnrolledService | None:
    return EnrolledService(service.key, service.spec.selector) if enrolled(service.metadata.labels) else None


def _key(one: Workload) -> tuple[str, str]:
    return (one.key.namespace, one.key.name)
