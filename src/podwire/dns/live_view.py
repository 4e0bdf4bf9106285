"""The objects that records are made of, as they are now, and the owners whose records a change concerns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from podwire.component.informer_metrics import access_obstacles
from podwire.dns.kept import Keeper, KeptNamespace, KeptService, KeptSlice
from podwire.dns.owner import DOMAIN, Owner
from podwire.kube import kinds
from podwire.kube.client import Client
from podwire.kube.informer import Informer
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change


class LiveView:
    """Follows Services, EndpointSlices and Namespaces."""

    def __init__(self, client: Client) -> None:
        kept = Keeper()
        self.services: Informer[KeptService] = Informer(client, kinds.SERVICES, keep=kept.service, stream_initial=True)
        self.endpoint_slices: Informer[KeptSlice] = Informer(
            client, kinds.ENDPOINT_SLICES, keep=kept.endpoint_slice, stream_initial=True
        )
        self.namespaces: Informer[KeptNamespace] = Informer(
            client, kinds.NAMESPACES, keep=kept.namespace, stream_initial=True
        )
        self.informers = (self.services, self.endpoint_slices, self.namespaces)
        self._by_service: dict[NamespacedName, tuple[KeptSlice, ...]] = {}

    def obstacles(self) -> tuple[str, ...]:
        """Return why the API server cannot be followed, by kind."""
        return access_obstacles(self.informers)

    def service(self, key: NamespacedName) -> KeptService | None:
        """A Service, if it exists."""
        return self.services.objects.get(key)

    def slices(self, key: NamespacedName) -> Collection[KeptSlice]:
        """All slices of a Service."""
        return self._by_service.get(key, ())

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

        def service_changed(change: Change[KeptService]) -> None:
            key = change.item.key
            touch(Owner(key.namespace, key.name))

        def namespace_changed(change: Change[KeptNamespace]) -> None:
            touch(Owner(change.item.key.name))

        def slice_changed(change: Change[KeptSlice]) -> None:
            for key in self._index(change):
                touch(Owner(key.namespace, key.name))

        self.services.subscribe(service_changed)
        self.namespaces.subscribe(namespace_changed)
        self.endpoint_slices.subscribe(slice_changed)

    def _index(self, change: Change[KeptSlice]) -> set[NamespacedName]:
        """Index a slice by its Service; return the Services that the change affects."""
        concerned = set()
        for piece, is_new in ((change.old, False), (change.new, True)):
            if piece is None:
                continue
            service = piece.service
            concerned.add(service)
            others = tuple(one for one in self._by_service.get(service, ()) if one.key != piece.key)
            if is_new or others:
                self._by_service[service] = (*others, piece) if is_new else others
            else:
                self._by_service.pop(service, None)
        return {key for key in concerned if key.name}
