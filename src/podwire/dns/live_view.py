"""The objects that records are made of, as they are now, and the owners whose records a change concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from podwire.component.informer_metrics import access_obstacles
from podwire.dns.rows import DOMAIN, Owner
from podwire.kube import kinds
from podwire.kube.client import Client
from podwire.kube.core import Namespace
from podwire.kube.discovery import EndpointSlice
from podwire.kube.informer import Informer
from podwire.kube.kept_objects import KeptObjects
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.kube.watch import Change


class LiveView:
    """Follows Services, EndpointSlices and Namespaces."""

    def __init__(self, client: Client) -> None:
        kept = KeptObjects()
        self.services: Informer[Service] = Informer(client, kinds.SERVICES, keep=kept.service, stream_initial=True)
        self.endpoint_slices: Informer[EndpointSlice] = Informer(
            client, kinds.ENDPOINT_SLICES, keep=kept.endpoint_slice, stream_initial=True
        )
        self.namespaces: Informer[Namespace] = Informer(
            client, kinds.NAMESPACES, keep=kept.namespace, stream_initial=True
        )
        self.informers = (self.services, self.endpoint_slices, self.namespaces)
        self._by_service: dict[NamespacedName, dict[NamespacedName, EndpointSlice]] = {}

    def obstacles(self) -> tuple[str, ...]:
        """Return why the API server cannot be followed, by kind."""
        return access_obstacles(self.informers)

    def service(self, key: NamespacedName) -> Service | None:
        """A Service, if it exists."""
        return self.services.objects.get(key)

    def slices(self, key: NamespacedName) -> Iterable[EndpointSlice]:
        """All slices of a Service."""
        return self._by_service.get(key, {}).values()

    def has_namespace(self, name: str) -> bool:
        """Whether a Namespace exists."""
        return NamespacedName("", name) in self.namespaces.objects

    def owners(self) -> Iterable[Owner]:
        """All that may have records."""
        yield DOMAIN
        yield from (Owner(key.name) for key in self.namespaces.objects)
        yield from (Owner(key.namespace, key.name) for key in self.services.objects)

    def feed(self, touch: Callable[[Owner], None]) -> None:
        """Call `touch` with the owners of every change after this call."""

        def service_changed(change: Change[Service]) -> None:
            key = _either(change).key
            touch(Owner(key.namespace, key.name))

        def namespace_changed(change: Change[Namespace]) -> None:
            touch(Owner(_either(change).metadata.name))

        def slice_changed(change: Change[EndpointSlice]) -> None:
            for key in self._index(change):
                touch(Owner(key.namespace, key.name))

        self.services.subscribe(service_changed)
        self.namespaces.subscribe(namespace_changed)
        self.endpoint_slices.subscribe(slice_changed)

    def _index(self, change: Change[EndpointSlice]) -> set[NamespacedName]:
        """Index a slice by its Service; return the Services that the change affects."""
        concerned = set()
        if change.old is not None:
            concerned.add(change.old.service)
            slices = self._by_service.get(change.old.service, {})
            slices.pop(change.old.key, None)
            if not slices:
                self._by_service.pop(change.old.service, None)
        if change.new is not None:
            concerned.add(change.new.service)
            self._by_service.setdefault(change.new.service, {})[change.new.key] = change.new
        return {key for key in concerned if key.name}


def _either(change: Change[Service] | Change[Namespace]) -> Service | Namespace:
    """The object that a change is about."""
    found = change.new if change.new is not None else change.old
    assert found is not None
    return found
