"""The EndpointSlice controller: slices with the addresses of the pods that a Service selects."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from podwire.controllers.endpoints import from_pods, slice_packing, traffic_distribution
from podwire.controllers.endpoints.service_index import ServiceIndex
from podwire.controllers.endpoints.topology_cache import TopologyCache
from podwire.controllers.endpoints.traffic_distribution import Distribution
from podwire.controllers.endpoints.trigger_times import TriggerTimes, with_trigger_time
from podwire.controllers.machinery.deletion import delete
from podwire.kube.cache import Index, changed_key, label_keys, selected
from podwire.kube.client import NAMESPACE_TERMINATING, ApiError
from podwire.kube.kinds import ENDPOINT_SLICES, NODES, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.names import safe_text
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from podwire.controllers.endpoints.slice_packing import Content, Plan
    from podwire.controllers.endpoints.topology_cache import TopologyEvent
    from podwire.controllers.endpoints.zone_allocation import Draft
    from podwire.kube.cache import Store
    from podwire.kube.client import Client
    from podwire.kube.core import Node, Pod
    from podwire.kube.discovery import Endpoint, EndpointSlice
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import Object
    from podwire.kube.recorder import Recorder
    from podwire.kube.services import Service
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

NAME = "endpoint-slice-controller"
LONGEST_NAME_BASE = 247
"""Of 253 characters, five are random and one is the dash."""


class EndpointSliceController:
    """Follows Services, pods, nodes and its own slices."""

    def __init__(self, client: Client, informers: SharedInformers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._topology = TopologyCache()
        self._triggers = TriggerTimes()
        self._services = informers.of(SERVICES)
        self._pods = informers.of(PODS)
        self._nodes = informers.of(NODES)
        self._slices = informers.of(ENDPOINT_SLICES)
        self._pods_by_label = Index(self._pods, label_keys)
        self._selecting = ServiceIndex(self._services)
        self._slices_by_service = Index(self._slices, _service_key)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("endpointslices", self.sync)
        self._services.subscribe(lambda change: self._queue.add(changed_key(change)))
        self._pods.subscribe(self._pod_changed)
        self._nodes.subscribe(self._node_changed)
        self._slices.subscribe(self._slice_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Write what the slices of one Service lack; those of a deleted Service are deleted.

        The slices of a Service without a selector, or of type ExternalName, are not this controller's: they stay.
        """
        service = self._services.objects.get(key)
        existing = [s for s in self._slices_by_service[key].values() if s.metadata.deletion_timestamp is None]
        if service is None:
            self._triggers.remove(key)
            self._topology.remove(key)
            await self._delete(existing)
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        pods = list(selected(self._pods_by_label, service.metadata.namespace, service.spec.selector))
        time = self._triggers.changed(service, pods)
        owned = [s for s in existing if owner_uid(s, SERVICES) == service.metadata.uid]
        plan = self._plan(service, pods, owned)
        for content in plan.create if service.metadata.deletion_timestamp is None else ():
            if not await self._create(service, content, time):
                return
        for old, content in plan.update:
            await self._update(service, old, content, time)
        await self._delete([*plan.delete, *(s for s in existing if s not in owned)])

    def _plan(self, service: Service, pods: Sequence[Pod], existing: Sequence[EndpointSlice]) -> Plan:
        desired = traffic_distribution.distribution(service)
        labels = slice_packing.labels(service)
        automatic = desired is Distribution.AUTO
        if not automatic and (event := self._topology.remove(service.key)) is not None:
            self._record(service, event)
        return slice_packing.plan(
            self._desired(service, pods, desired),
            existing,
            lambda item: item.metadata.labels == labels,
            hints=(lambda family, drafts: self._allocate(service, family, drafts)) if automatic else None,
        )

    def _desired(
        self, service: Service, pods: Sequence[Pod], desired: Distribution
    ) -> Mapping[str, Mapping[from_pods.Ports, Sequence[Endpoint]]]:
        serving = [pod for pod in pods if service.spec.publish_not_ready_addresses or self._has_node(pod)]
        found = {
            family: from_pods.desired(service, serving, self._zone_of, family) for family in from_pods.families(service)
        }
        return {
            family: {ports: traffic_distribution.with_hints(group, desired) for ports, group in groups.items()}
            for family, groups in found.items()
        }

    def _allocate(self, service: Service, family: str, drafts: Sequence[Draft]) -> Sequence[tuple[Endpoint, ...]]:
        allocation, event = self._topology.allocate(service.key, family, drafts)
        if event is not None:
            self._record(service, event)
        return allocation.endpoints

    def _record(self, service: Service, event: TopologyEvent) -> None:
        self._recorder.event(SERVICES, service, event.reason, event.message, warning=event.warning)

    def _has_node(self, pod: Pod) -> bool:
        """Return whether the node of the pod exists: the pods of a deleted node do not run."""
        return NamespacedName("", pod.spec.node_name) in self._nodes.objects

    def _zone_of(self, node: str) -> str:
        found = self._nodes.objects.get(NamespacedName("", node))
        return found.zone if found else ""

    def _pod_changed(self, change: Change[Pod]) -> None:
        for key in self._selecting.affected(change):
            self._queue.add(key)

    def _node_changed(self, change: Change[Node]) -> None:
        """Queue all Services when a node is added, removed, or moved to another zone.

        When the CPUs of a zone change, only those whose hints depend on them.
        """
        if (change.old and change.old.zone) != (change.new and change.new.zone):
            for key in self._services.objects:
                self._queue.add(key)
        if _capacity(change.old) != _capacity(change.new):
            for key in self._topology.set_nodes(self._nodes.objects.values()):
                self._queue.add(key)

    def _slice_changed(self, change: Change[EndpointSlice]) -> None:
        for item in (change.old, change.new):
            if item is not None and item.metadata.labels.get(slice_packing.MANAGED_BY_LABEL) == slice_packing.MANAGER:
                self._queue.add(item.service)

    async def _create(self, service: Service, content: Content, time: str) -> bool:
        body = slice_packing.body(service, content)
        body["metadata"] |= {**new_name(service), "annotations": with_trigger_time({}, time)}
        return await create_slice(self._client, self._slices, body)

    async def _update(self, service: Service, old: EndpointSlice, content: Content, time: str) -> None:
        body = slice_packing.body(service, content)
        body["metadata"] |= {
            "name": old.metadata.name,
            "generateName": old.metadata.generate_name,
            "resourceVersion": old.metadata.resource_version,
            "annotations": with_trigger_time(old.metadata.annotations, time),
        }
        self._slices.wrote(await self._client.replace(ENDPOINT_SLICES, old.key, body))

    async def _delete(self, gone: Sequence[EndpointSlice]) -> None:
        for item in gone:
            await delete(self._client, ENDPOINT_SLICES, self._slices, item)


def new_name(owner: Object) -> dict[str, str]:
    """Return name and generateName of a new slice."""
    base = owner.metadata.name[:LONGEST_NAME_BASE]
    return {"name": f"{base}-{safe_text(secrets.token_bytes(16), 5)}", "generateName": f"{base}-"}


async def create_slice(client: Client, slices: Store[EndpointSlice], body: dict[str, Any]) -> bool:
    """Create a slice; return False where the namespace is being deleted, which takes no new objects."""
    try:
        slices.wrote(await client.create(ENDPOINT_SLICES, body, body["metadata"]["namespace"]))
    except ApiError as error:
        if NAMESPACE_TERMINATING not in error.causes:
            raise
        return False
    return True


def owner_uid(item: EndpointSlice, kind: Kind[Any]) -> str:
    """Return the uid of the object of this kind that owns the slice; empty where none does."""
    return next((owner.uid for owner in item.metadata.owner_references if owner.kind == kind.kind), "")


def _capacity(node: Node | None) -> tuple[object, ...] | None:
    """Return what decides how many endpoints the zone of a node gets."""
    return None if node is None else (node.ready, node.metadata.labels, node.status.allocatable.get("cpu"))


def _service_key(item: EndpointSlice) -> list[NamespacedName]:
    """Return index keys: the Service, for slices of this controller only."""
    return [item.service] if item.metadata.labels.get(slice_packing.MANAGED_BY_LABEL) == slice_packing.MANAGER else []
