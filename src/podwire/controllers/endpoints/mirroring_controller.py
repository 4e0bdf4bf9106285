"""The EndpointSlice mirroring controller: slices for hand-written Endpoints of Services without a selector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.controllers.endpoints import endpoints_conversion, slice_packing
from podwire.controllers.endpoints.endpointslice_controller import create_slice, new_name, owner_uid
from podwire.controllers.machinery.deletion import delete
from podwire.controllers.machinery.owner_references import reference
from podwire.kube.cache import Index, changed_key
from podwire.kube.kinds import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.controllers.endpoints.endpoints_conversion import Mirror
    from podwire.controllers.endpoints.slice_packing import Content
    from podwire.kube.client import Client
    from podwire.kube.discovery import EndpointSlice
    from podwire.kube.endpoints import Endpoints
    from podwire.kube.recorder import Recorder
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change


NAME = "endpoint-slice-mirroring-controller"


class MirroringController:
    """Follows Endpoints, Services and its own slices."""

    def __init__(self, client: Client, informers: SharedInformers, recorder: Recorder) -> None:
        self._client = client
        self._recorder = recorder
        self._warned: dict[NamespacedName, tuple[str, str]] = {}
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
            self._warned.pop(key, None)
            await self._delete(existing)
            return
        mirror = endpoints_conversion.mirror(item)
        self._warn(item, mirror)
        plan = slice_packing.plan(
            mirror.endpoints, existing, lambda one: _current(one, item), largest=endpoints_conversion.MOST_ADDRESSES
        )
        for content in plan.create if item.metadata.deletion_timestamp is None else ():
            body = _body(item, content)
            body["metadata"] |= new_name(item)
            if not await create_slice(self._client, self._slices, body):
                return
        for old, content in plan.update:
            body = _body(item, content)
            version = old.metadata.resource_version
            body["metadata"] |= {"name": old.metadata.name, "resourceVersion": version}
            self._slices.wrote(await self._client.replace(ENDPOINT_SLICES, old.key, body))
        await self._delete(plan.delete)

    def _warn(self, item: Endpoints, mirror: Mirror) -> None:
        """Record what is not mirrored, once for each state of the object."""
        version = (item.metadata.uid, item.metadata.resource_version)
        if self._warned.get(item.key) == version:
            return
        self._warned.pop(item.key, None)
        if mirror.invalid:
            text = f"Skipped {mirror.invalid} invalid IP addresses when mirroring to EndpointSlices"
            self._recorder.event(ENDPOINTS, item, "InvalidIPAddress", text, warning=True)
        if mirror.excess:
            text = (
                f"A max of {endpoints_conversion.MOST_ADDRESSES} addresses can be mirrored to EndpointSlices per "
                f"Endpoints subset. {mirror.invalid + mirror.excess} addresses were skipped"
            )
            self._recorder.event(ENDPOINTS, item, "TooManyAddressesToMirror", text, warning=True)
        if mirror.invalid or mirror.excess:
            self._warned[item.key] = version

    async def _delete(self, gone: Sequence[EndpointSlice]) -> None:
        for item in gone:
            await delete(self._client, ENDPOINT_SLICES, self._slices, item)

    def _slice_changed(self, change: Change[EndpointSlice]) -> None:
        for item in (change.old, change.new):
            for key in _service_key(item) if item is not None else ():
                self._queue.add(key)


def _current(existing: EndpointSlice, item: Endpoints) -> bool:
    """Return whether the metadata of a slice is that of this object, not of an earlier one of its name."""
    meta = existing.metadata
    same = meta.labels == endpoints_conversion.mirror_labels(item)
    annotations = meta.annotations == endpoints_conversion.mirror_annotations(item)
    return same and annotations and owner_uid(existing, ENDPOINTS) == item.metadata.uid


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
