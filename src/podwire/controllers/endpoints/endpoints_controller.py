"""The Endpoints controller: `kubectl get endpoints` shows the pods of each Service with a selector.

podwire's own parts read EndpointSlices; these objects are for people and older clients, so they are written a moment
later, many changes at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.controllers.endpoints import endpoints_conversion
from podwire.kube.cache import Index, changed_key, label_keys, selected
from podwire.kube.client import ApiError
from podwire.kube.kinds import ENDPOINTS, PODS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.core import Pod, Service
    from podwire.kube.endpoints import Endpoints
    from podwire.kube.shared_informers import SharedInformers
    from podwire.kube.watch import Change

BATCH_SECONDS = 0.1


class EndpointsObjects:
    """Follows Services, pods and Endpoints."""

    def __init__(self, client: Client, informers: SharedInformers) -> None:
        self._client = client
        self._services = informers.of(SERVICES)
        self._objects = informers.of(ENDPOINTS)
        pods = informers.of(PODS)
        self._pods_by_label = Index(pods, label_keys)
        self._services_by_label = Index(self._services, _selector_key)
        self._queue: WorkQueue[NamespacedName] = WorkQueue("endpoints", self.sync)
        self._services.subscribe(lambda change: self._touch(changed_key(change)))
        self._objects.subscribe(lambda change: self._touch(changed_key(change)))
        pods.subscribe(self._pod_changed)

    async def run(self) -> None:
        """Work for ever."""
        await self._queue.run()

    async def sync(self, key: NamespacedName) -> None:
        """Write the object of one Service; one that we wrote for a Service that is gone goes too."""
        service = self._services.objects.get(key)
        existing = self._objects.objects.get(key)
        if service is None:
            if existing is not None and endpoints_conversion.MANAGED_LABEL in existing.metadata.labels:
                await self._delete(existing)
            return
        if not service.spec.selector or service.spec.type == "ExternalName":
            return
        wanted = endpoints_conversion.subsets(
            service, selected(self._pods_by_label, service.metadata.namespace, service.spec.selector)
        )
        body = endpoints_conversion.body(service, wanted)
        if existing is None:
            self._objects.wrote(await self._client.create(ENDPOINTS, body, key.namespace))
        elif not endpoints_conversion.stands(existing, service, wanted):
            body["metadata"]["resourceVersion"] = existing.metadata.resource_version
            self._objects.wrote(await self._client.replace(ENDPOINTS, key, body))

    def _touch(self, key: NamespacedName) -> None:
        self._queue.add(key, BATCH_SECONDS)

    def _pod_changed(self, change: Change[Pod]) -> None:
        for pod in (change.old, change.new):
            if pod is None:
                continue
            for label in pod.metadata.labels.items():
                for service in self._services_by_label[pod.metadata.namespace, *label].values():
                    if service.spec.selector.items() <= pod.metadata.labels.items():
                        self._touch(service.key)

    async def _delete(self, item: Endpoints) -> None:
        try:
            await self._client.delete(ENDPOINTS, item.key, uid=item.metadata.uid)
        except ApiError as error:
            if error.reason not in {"NotFound", "Conflict"}:
                raise
        self._objects.deleted(item)


def _selector_key(service: Service) -> list[tuple[Any, ...]]:
    """One label that every selected pod bears: a pod finds its Services without looking at the others."""
    return [(service.metadata.namespace, *pair) for pair in sorted(service.spec.selector.items())[:1]]
