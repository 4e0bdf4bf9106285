"""Redirection as the agent runs it: it begins when an Envoy of the mesh is ready on the node, and labels its pods."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from podwire.agent.config import AgentConfig
from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import SinkError
from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import IPAddress, Part
from podwire.kernel.sysctl_record import WriteSysctls
from podwire.kube.addresses import parsed
from podwire.kube.client import Client
from podwire.kube.core import Namespace, Pod
from podwire.kube.feed import Feed
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import PODS
from podwire.kube.meta import NamespacedName
from podwire.kube.on_demand_informer import OnDemandInformer
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.kube.work_queue import WorkQueue
from podwire.policy.peers import PeerPod
from podwire.redirection.enrolment import ENABLED, NODE_PROXY, REDIRECTED, enrolled
from podwire.redirection.sink import RedirectionSink, is_loaded
from podwire.redirection.view import CLUSTER, LocalPod, RedirectionView

log = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
VACATED_SECONDS = 0.1
"""Until it is looked again whether Envoy has an address."""


class RedirectionFeeds(msgspec.Struct, frozen=True):
    """What redirection is made of. `peers` are pods of other nodes with the label REDIRECTED."""

    pods: Feed[Pod]
    namespaces: Feed[Namespace]
    peers: OnDemandInformer[PeerPod]
    services: Feed[Service]


class Settling(Protocol):
    """Policies, as far as this capability needs them."""

    async def settle(self) -> None:
        """Wait until all changes received before this call are applied."""
        ...


class PolicyTable(Protocol):
    """The kernel's table of policies, as far as this capability needs it."""

    async def mark_routable(self) -> None:
        """Label connections of pods whose egress no policy restricts. Raises SinkError."""
        ...


class Redirection:
    """The capability of one node: it does nothing before an Envoy of the mesh is ready there.

    It does not end when that Envoy does: what was led to an Envoy is refused then, and never sent in plain text.
    """

    def __init__(
        self,
        config: AgentConfig,
        client: Client,
        feeds: RedirectionFeeds,
        policies: Settling,
        policy_table: PolicyTable,
        write_sysctls: WriteSysctls,
    ) -> None:
        self._client = client
        self._policy_table = policy_table
        self._policies = policies
        self._feeds = feeds
        self._needed = asyncio.Event()
        self._identified: frozenset[Part] = frozenset()
        """Addresses that Envoy had an identity for when that was read last."""
        if is_loaded():
            self._needed.set()  # by an earlier agent
        self.view = RedirectionView(config.cluster.ranges)
        self._sink = RedirectionSink.here(write_sysctls)
        self._elements: Reconciler[NamespacedName, ElementRow] = Reconciler("redirection", self.view.rows, self._sink)
        self._labels: WorkQueue[NamespacedName] = WorkQueue("labels of redirected pods", self._label, workers=2)

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return (self._elements,) if self._needed.is_set() else ()

    async def settle(self) -> None:
        """Wait until all changes received before this call are applied; at once before an Envoy is ready."""
        for one in self.reconcilers:
            await one.settle()

    async def vacated(self, addresses: Sequence[IPAddress]) -> None:
        """Return when the node's Envoy takes these for no pod: a new one would have the identity of an earlier one.

        That is so where the mesh has no pod on the node, too.
        """
        while self._needed.is_set() and self._may_have_envoy():
            try:
                self._identified = await self._sink.identified()
            except SinkError as error:
                log.warning("it is not known which addresses Envoy has: %s", error)
            else:
                if self._identified.isdisjoint(addresses):
                    return
            await asyncio.sleep(VACATED_SECONDS)
        self._identified = frozenset()

    def _may_have_envoy(self) -> bool:
        """Whether the node has a pod of the mesh, which is deleted after its containers have ended, or may have one."""
        pods = self._feeds.pods
        return not pods.synced.is_set() or any(is_node_proxy(one) and not one.finished for one in pods.objects.values())

    def obstacle(self, addresses: Sequence[IPAddress]) -> str:
        """Return what `vacated` waits for; empty where it waits for nothing."""
        names = ", ".join(sorted(map(str, self._identified.intersection(addresses))))
        return (
            f"the Envoy of this node still takes {names} for an earlier pod: see the pod of podwire-mesh"
            if names
            else ""
        )

    def rows(self) -> Iterator[str]:
        """Return all rows as text."""
        for one in self.reconcilers:
            yield from one.lines()

    async def run(self) -> None:
        """Wait for the Envoy of the node and work until cancelled."""
        feeds = self._feeds
        feeds.pods.subscribe(self._pod_changed)
        await self._needed.wait()
        feeds.peers.require()
        feeds.namespaces.subscribe(self._namespace_changed)
        feeds.peers.subscribe(self._peer_changed)
        feeds.services.subscribe(self._service_changed)
        await self._policies.settle()
        await self._mark_routable()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._elements.run())
            tasks.create_task(self._labels.run())
            for synced in (feeds.pods, feeds.namespaces, feeds.peers, feeds.services):
                await synced.synced.wait()
            self._touch(self.view.owners)
            self._elements.inputs_synced()

    async def _mark_routable(self) -> None:
        """Return when the rules of policies label connections that may be routed."""
        while True:
            try:
                await self._policy_table.mark_routable()
            except SinkError as error:
                log.warning("routes of the mesh are not in force on this node: %s; again in %g s", error, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def _pod_changed(self, change: Change[Pod]) -> None:
        item = change.item
        self._touch(self.view.pod_changed(item.key, None if change.new is None else local_pod(change.new)))
        if change.new is not None and is_node_proxy(change.new) and change.new.ready:
            self._needed.set()

    def _namespace_changed(self, change: Change[Namespace]) -> None:
        item = change.item
        labels: Mapping[str, str] | None = None if change.new is None else change.new.metadata.labels
        self._touch(self.view.namespace_changed(item.metadata.name, labels))

    def _peer_changed(self, change: Change[PeerPod]) -> None:
        item = change.item
        self._touch(self.view.peer_changed(item.key, () if change.new is None else change.new.addresses))

    def _service_changed(self, change: Change[Service]) -> None:
        item = change.item
        self._touch(self.view.service_changed(item.key, None if change.new is None else enrolled_selector(change.new)))

    def _touch(self, owners: Iterable[NamespacedName]) -> None:
        if not self._needed.is_set():
            return
        for owner in owners:
            self._elements.touch(owner)
            if owner != CLUSTER:
                self._labels.add(owner)

    async def _label(self, key: NamespacedName) -> None:
        """Write whether a pod of this node is redirected, once the kernel has its rows."""
        await self._elements.settle()
        pod = self._feeds.pods.objects.get(key)
        if pod is None or local_pod(pod) is None:
            return
        desired = ENABLED if self.view.is_enrolled(key) else None
        if pod.metadata.labels.get(REDIRECTED) != desired:
            body = {"metadata": {"uid": pod.metadata.uid, "labels": {REDIRECTED: desired}}}
            await self._client.patch(PODS, key, body, "status")


def is_node_proxy(pod: Pod) -> bool:
    """Whether this is the pod of the mesh that runs a node's Envoy."""
    return pod.metadata.namespace == PROXIES and pod.metadata.labels.get("app.kubernetes.io/name") == NODE_PROXY


def enrolled_selector(service: Service) -> Mapping[str, str] | None:
    """Return the selector of a Service that is enrolled by its own labels; None for others."""
    return service.spec.selector or None if enrolled(service.metadata.labels) else None


def local_pod(pod: Pod) -> LocalPod | None:
    """Return a pod of this node as redirection sees it; None for one without addresses of its own."""
    addresses = tuple(address for address in map(parsed, pod.addresses) if address is not None)
    if pod.spec.host_network or pod.finished or not addresses:
        return None
    return LocalPod(pod.key, dict(pod.metadata.labels), addresses)
