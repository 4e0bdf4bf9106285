"""The EndpointSlice mirroring controller: slices for hand-written Endpoints of Services without a selector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.controllers.endpoints import endpoints_conversion, slice_packing
from podwire.controllers.endpoints.endpointslice_controller import new_name
from podwire.controllers.machinery.deletion import delete
from podwire.controllers.machinery.owner_references import reference
from podwire.kube.cache import Index, changed_key
from podwire.kube.kinds import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.controllers.endpoints.slice_packing import Content
    from podwire.kube.client import Client
    from podwire.kube.discovery import EndpointSlice
    from podwire.kube.endpoints import Endpoints
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change


class MirroringController:
    """Follows Endpoints, Services and its own slices."""

    def __init__(self, client: Client, informers: SharedInformers) -> None:
        self._client = client
        self._objects = informers.of(ENDPOINTS)
        self._services = informers.of(SERVICES)
        self._slices = informers.of(ENDPOINT_SLICES)
        self._slices_by_service = Index(self._slices, _service_key)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("mirrored endpoints", self.sync)
        self._objects.subscribe(lambda change: self._queue.add(changed_key(change)))
        self._services.subscribe(lambda change: self._queue.add(changed_key(change)))
        self._slices.subscribe(self._slice_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Write what the mirrored slices of one Service lack; delete them all where nothing is mirrored."""
        item = self._objects.objects.get(key)
        existing = [s for s in self._slices_by_service[key].values() if s.metadata.deletion_timestamp is None]
        if item is None or not endpoints_conversion.mirrored(item, self._services.objects.get(key)):
            await self._delete(existing)
            return
        plan = slice_packing.plan(endpoints_conversion.mirror(item), existing, endpoints_conversion.mirror_labels(item))
        for content in plan.create:
            body = _body(item, content)
            body["metadata"] |= new_name(item)
            self._slices.wrote(await self._client.create(ENDPOINT_SLICES, body, key.namespace))
        for old, content in plan.update:
            body = _body(item, content)
            version = old.metadata.resource_version
            body["metadata"] |= {"name": old.metadata.name, "resourceVersion": version}
            self._slices.wrote(await self._client.replace(ENDPOINT_SLICES, old.key, body))
        await self._delete(plan.delete)

    async def _delete(self, gone: Sequence[EndpointSlice]) -> None:
        for item in gone:
            await delete(self._client, ENDPOINT_SLICES, self._slices, item)

    def _slice_changed(self, change: Change[EndpointSlice]) -> None:
        for item in (change.old, change.new):
            for key in _service_key(item) if item is not None else ():
                self._queue.add(key)


def _body(item: Endpoints, content: Content) -> dict[str, dict[str, object]]:
    owner = reference(ENDPOINTS, item)
    labels = endpoints_conversion.mirror_labels(item)
    body = slice_packing.document(item.metadata.namespace, labels, owner, content)
    body["metadata"]["annotations"] = endpoints_conversion.mirror_annotations(item)
    return body


def _service_key(item: EndpointSlice) -> list[NamespacedName]:
    """Return index keys: the Service, for slices of this controller only."""
    mine = item.metadata.labels.get(slice_packing.MANAGED_BY_LABEL) == endpoints_conversion.MIRROR_MANAGER
    return [item.service] if mine else []
