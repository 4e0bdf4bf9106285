"""The EndpointSlice controller: slices with the addresses of the pods that a Service selects."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from podwire.controllers.endpoints import from_pods, slice_packing
from podwire.controllers.endpoints.service_index import ServiceIndex
from podwire.controllers.machinery.deletion import delete
from podwire.kube.cache import Index, changed_key, label_keys, selected
from podwire.kube.kinds import ENDPOINT_SLICES, NODES, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.names import safe_text
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from podwire.controllers.endpoints.slice_packing import Content
    from podwire.kube.client import Client
    from podwire.kube.core import Node, Pod
    from podwire.kube.discovery import Endpoint, EndpointSlice
    from podwire.kube.meta import Object
    from podwire.kube.services import Service
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

ZONE_LABEL = "topology.kubernetes.io/zone"
LONGEST_NAME_BASE = 247
"""Of 253 characters, five are random and one is the dash."""


class EndpointSliceController:
    """Follows Services, pods, nodes and its own slices."""

    def __init__(self, client: Client, informers: SharedInformers) -> None:
        self._client = client
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
            await self._delete(existing)
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        owned = [s for s in existing if _owner_uid(s) == service.metadata.uid]
        plan = slice_packing.plan(self._wanted(service), owned, slice_packing.labels(service))
        for content in plan.create:
            await self._create(service, content)
        for old, content in plan.update:
            await self._update(service, old, content)
        await self._delete([*plan.delete, *(s for s in existing if s not in owned)])

    def _wanted(self, service: Service) -> Mapping[str, Mapping[from_pods.Ports, Sequence[Endpoint]]]:
        found = selected(self._pods_by_label, service.metadata.namespace, service.spec.selector)
        pods = [pod for pod in found if service.spec.publish_not_ready_addresses or self._has_node(pod)]
        return {
            family: from_pods.wanted(service, pods, self._zone_of, family) for family in from_pods.families(service)
        }

    def _has_node(self, pod: Pod) -> bool:
        """Return whether the node of the pod exists: the pods of a deleted node do not run."""
        return NamespacedName("", pod.spec.node_name) in self._nodes.objects

    def _zone_of(self, node: str) -> str:
        found = self._nodes.objects.get(NamespacedName("", node))
        return found.metadata.labels.get(ZONE_LABEL, "") if found else ""

    def _pod_changed(self, change: Change[Pod]) -> None:
        for key in self._selecting.affected(change):
            self._queue.add(key)

    def _node_changed(self, change: Change[Node]) -> None:
        """Queue all Services when a node is added, removed, or moved to another zone."""
        before = (change.old.metadata.labels.get(ZONE_LABEL), True) if change.old else None
        after = (change.new.metadata.labels.get(ZONE_LABEL), True) if change.new else None
        if before != after:
            for key in self._services.objects:
                self._queue.add(key)

    def _slice_changed(self, change: Change[EndpointSlice]) -> None:
        for item in (change.old, change.new):
            if item is not None and item.metadata.labels.get(slice_packing.MANAGED_BY_LABEL) == slice_packing.MANAGER:
                self._queue.add(item.service)

    async def _create(self, service: Service, content: Content) -> None:
        body = slice_packing.body(service, content)
        body["metadata"] |= new_name(service)
        self._slices.wrote(await self._client.create(ENDPOINT_SLICES, body, service.metadata.namespace))

    async def _update(self, service: Service, old: EndpointSlice, content: Content) -> None:
        body = slice_packing.body(service, content)
        body["metadata"] |= {
            "name": old.metadata.name,
            "generateName": old.metadata.generate_name,
            "resourceVersion": old.metadata.resource_version,
            "annotations": old.metadata.annotations,
        }
        self._slices.wrote(await self._client.replace(ENDPOINT_SLICES, old.key, body))

    async def _delete(self, gone: Sequence[EndpointSlice]) -> None:
        for item in gone:
            await delete(self._client, ENDPOINT_SLICES, self._slices, item)


def new_name(owner: Object) -> dict[str, str]:
    """Return name and generateName of a new slice."""
    base = owner.metadata.name[:LONGEST_NAME_BASE]
    return {"name": f"{base}-{safe_text(secrets.token_bytes(16), 5)}", "generateName": f"{base}-"}


def _owner_uid(item: EndpointSlice) -> str:
    """Return the uid of the Service that owns the slice."""
    return next((o.uid for o in item.metadata.owner_references if o.kind == SERVICES.kind), "")


def _service_key(item: EndpointSlice) -> list[NamespacedName]:
    """Return index keys: the Service, for slices of this controller only."""
    return [item.service] if item.metadata.labels.get(slice_packing.MANAGED_BY_LABEL) == slice_packing.MANAGER else []
