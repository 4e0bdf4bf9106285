"""Objects that routes are made from, kept by informers in a store, and the owners that a change affects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from podwire.edge.controller.named_objects import NamedObjects
from podwire.edge.gateway.owners import Owner, owner
from podwire.kube.informer import Informer
from podwire.kube.kept_objects import KeptObjects
from podwire.kube.kinds import CONFIG_MAPS, ENDPOINT_SLICES, NAMESPACES, SECRETS, SERVICES
from podwire.kube.optional_informer import OptionalInformer

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.core import ConfigMap, Secret
    from podwire.kube.kinds import Kind
    from podwire.kube.meta import NamespacedName
    from podwire.kube.services import Service
    from podwire.kube.watch import Change

NOT_SERVED_SECONDS = 10.0
"""Until a kind that is not served, such as one of the experimental channel, is looked for again."""


class Store(Protocol):
    """Objects with the reverse indexes that lead from a change to its effects."""

    def put(self, kind: str, value: Any) -> tuple[Owner, ...]:
        """Add or replace an object; return the owners to derive again."""

    def remove(self, kind: str, key: NamespacedName) -> tuple[Owner, ...]:
        """Remove an object; return the owners to derive again."""

    def referenced(self, kind: str) -> frozenset[NamespacedName]:
        """Return the names of the Secrets or ConfigMaps that something refers to."""


class FollowedObjects:
    """Informers of Services, EndpointSlices, namespaces and other whole kinds; Secrets and ConfigMaps by name.

    `changed` receives the owners to derive again, `written` an object of which nothing but the status has changed.
    `run` must run once.
    """

    def __init__(
        self,
        client: Client,
        store: Store,
        kinds: Iterable[Kind[Any]],
        changed: Callable[[Iterable[Owner]], None],
        written: Callable[[Owner], None],
    ) -> None:
        self._store = store
        self._changed = changed
        self._written = written
        self._services: Informer[Service] = Informer(client, SERVICES)
        self._slices = Informer(client, ENDPOINT_SLICES)
        namespaces = Informer(client, NAMESPACES, keep=KeptObjects().namespace)
        self._services.subscribe(self._listener(SERVICES))
        namespaces.subscribe(self._listener(NAMESPACES))
        self._slices.subscribe(self._listener(ENDPOINT_SLICES))
        self.informers: tuple[Informer[Any], ...] = (self._services, namespaces, self._slices)
        self._optional: dict[Kind[Any], OptionalInformer[Any]] = {
            kind: OptionalInformer(client, kind, retry_seconds=NOT_SERVED_SECONDS) for kind in kinds
        }
        for kind, optional in self._optional.items():
            optional.subscribe(self._listener(kind))
        self._secrets: NamedObjects[Secret] = NamedObjects(client, SECRETS, self._listener(SECRETS))
        self._config_maps: NamedObjects[ConfigMap] = NamedObjects(client, CONFIG_MAPS, self._listener(CONFIG_MAPS))

    @property
    def services(self) -> Mapping[NamespacedName, Service]:
        """All Services: a view that changes."""
        return self._services.objects

    def subscribe(self, listener: Callable[[Kind[Any], Change[Any]], None]) -> None:
        """Call this with changes of Services and EndpointSlices; before `run`."""
        self._services.subscribe(lambda change: listener(SERVICES, change))
        self._slices.subscribe(lambda change: listener(ENDPOINT_SLICES, change))

    def subscribe_to(self, kinds: Iterable[Kind[Any]], listener: Callable[[Change[Any]], None]) -> None:
        """Call this with changes of objects of these kinds, also of their status; before `run`."""
        for kind in kinds:
            self._optional[kind].subscribe(listener)

    def follow_references(self) -> None:
        """Follow the Secrets and ConfigMaps that something refers to now, and no others."""
        self._secrets.require(self._store.referenced("Secret"))
        self._config_maps.require(self._store.referenced("ConfigMap"))

    @property
    def is_synced(self) -> bool:
        """Whether every kind is known."""
        known = (*(one.synced for one in self.informers), *(one.synced for one in self._optional.values()))
        return all(one.is_set() for one in known)

    async def kinds_synced(self) -> None:
        """Return when every kind is known, but for objects that are followed by name."""
        for informer in self.informers:
            await informer.synced.wait()
        for optional in self._optional.values():
            await optional.synced.wait()

    async def synced(self) -> None:
        """Return when every kind is known, and each object that something refers to."""
        await self.kinds_synced()
        self.follow_references()
        await self._secrets.synced()
        await self._config_maps.synced()

    async def run(self) -> None:
        """Follow the API server until cancelled. Raises ListenerError."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self.informers:
                tasks.create_task(informer.run())
            for optional in self._optional.values():
                tasks.create_task(optional.run())
            tasks.create_task(self._secrets.run())
            tasks.create_task(self._config_maps.run())

    def _listener(self, kind: Kind[Any]) -> Callable[[Change[Any]], None]:
        def changed(change: Change[Any]) -> None:
            if change.new is not None:
                owners = self._store.put(kind.kind, change.new)
            elif change.old is not None:
                owners = self._store.remove(kind.kind, change.old.key)
            else:
                return
            if owners:
                self._changed(owners)
            elif change.new is not None:
                self._written(owner(kind.kind, change.new.key))

        return changed
