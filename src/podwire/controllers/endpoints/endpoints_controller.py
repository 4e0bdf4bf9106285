"""The Endpoints controller: `kubectl get endpoints` shows the pods of each Service with a selector.

podwire's own parts read EndpointSlices; these objects are for people and older clients, so they are written a moment
later, many changes at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.controllers.endpoints import endpoints_conversion
from podwire.controllers.endpoints.service_index import ServiceIndex
from podwire.controllers.endpoints.trigger_times import TriggerTimes
from podwire.controllers.machinery.deletion import delete
from podwire.kube.cache import Index, changed_key, label_keys, selected
from podwire.kube.client import NAMESPACE_TERMINATING, ApiError
from podwire.kube.kinds import ENDPOINTS, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.core import Pod
    from podwire.kube.services import Service
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

BATCH_SECONDS = 0.1


class EndpointsController:
    """Follows Services, pods and Endpoints."""

    def __init__(self, client: Client, informers: SharedInformers) -> None:
        self._client = client
        self._services = informers.of(SERVICES)
        self._objects = informers.of(ENDPOINTS)
        pods = informers.of(PODS)
        self._pods_by_label = Index(pods, label_keys)
        self._selecting = ServiceIndex(self._services)
        self._triggers = TriggerTimes()
        self._deleted: set[NamespacedName] = set()
        self._queue: WorkQueue[NamespacedName] = WorkQueue("endpoints", self.sync)
        self._services.subscribe(self._service_changed)
        self._objects.subscribe(lambda change: self._touch(changed_key(change)))
        pods.subscribe(self._pod_changed)

    async def run(self) -> None:
        """Handle changes until cancelled."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Write the object of one Service. With the Service its Endpoints are deleted, hand-written ones too."""
        service = self._services.objects.get(key)
        existing = self._objects.objects.get(key)
        if service is None:
            managed = existing is not None and endpoints_conversion.MANAGED_LABEL in existing.metadata.labels
            if existing is not None and (managed or key in self._deleted):
                await delete(self._client, ENDPOINTS, self._objects, existing)
            self._deleted.discard(key)
            self._triggers.remove(key)
            return
        self._deleted.discard(key)
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        pods = list(selected(self._pods_by_label, service.metadata.namespace, service.spec.selector))
        desired = endpoints_conversion.content(service, pods)
        body = endpoints_conversion.body(service, desired, self._triggers.changed(service, pods))
        if existing is None:
            await self._create(key, body)
        elif not endpoints_conversion.matches(existing, service, desired):
            body["metadata"]["resourceVersion"] = existing.metadata.resource_version
            self._objects.wrote(await self._client.replace(ENDPOINTS, key, body))

    async def _create(self, key: NamespacedName, body: dict[str, Any]) -> None:
        """Create the object, unless the namespace is being deleted, which takes no new objects."""
        try:
            self._objects.wrote(await self._client.create(ENDPOINTS, body, key.namespace))
        except ApiError as error:
            if NAMESPACE_TERMINATING not in error.causes:
                raise

    def _touch(self, key: NamespacedName) -> None:
        self._queue.add(key, BATCH_SECONDS)

    def _service_changed(self, change: Change[Service]) -> None:
        if change.new is None:
            self._deleted.add(changed_key(change))
        self._touch(changed_key(change))

    def _pod_changed(self, change: Change[Pod]) -> None:
        for key in self._selecting.affected(change):
            self._touch(key)
