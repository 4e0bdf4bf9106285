"""What the hosts of Ingresses are made from, kept up to date, and what of it is different."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.edge.controller import ingress_front
from podwire.edge.controller.named_objects import NamedObjects
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import INGRESS_CLASSES, INGRESSES, Ingress, IngressClass
from podwire.edge.ingress.options.options import KEY
from podwire.edge.ingress.options.reading import read
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS, ENDPOINT_SLICES, SECRETS, SERVICES
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from podwire.edge.controller.live_objects import LiveObjects
    from podwire.kube.client import Client
    from podwire.kube.core import ConfigMap, Secret
    from podwire.kube.kinds import Kind
    from podwire.kube.watch import Change


OF_LISTENER = (
    "/auth-tls-secret",
    "/auth-tls-verify-client",
    "/auth-tls-verify-depth",
    "/ssl-ciphers",
    "/ssl-passthrough",
)
"""Ends of the names of annotations that are of the listener of HTTPS."""


class Dirty(msgspec.Struct):
    """What is to be derived again."""

    hosts: set[str] = msgspec.field(default_factory=set)
    services: set[NamespacedName] = msgspec.field(default_factory=set)
    certificates: bool = False

    def __bool__(self) -> bool:
        return bool(self.hosts or self.services or self.certificates)


def shapes_tls(item: Ingress | None) -> bool:
    """Whether the listener of HTTPS depends on an Ingress."""
    return item is not None and (
        bool(item.spec.tls) or any(name.endswith(OF_LISTENER) for name in item.metadata.annotations)
    )


class IngressObjects:
    """Informers of Ingresses and their classes; Secrets by name. `run` must run once.

    `changed` is called after each change of what is derived, `front_changed` after one of the proxy or its Service.
    """

    def __init__(
        self,
        client: Client,
        live: LiveObjects,
        ingresses: Ingresses,
        changed: Callable[[], None],
        front_changed: Callable[[], None],
    ) -> None:
        self.ingresses = ingresses
        self.objects = Objects()
        self._changed = changed
        self._dirty = Dirty(certificates=True)
        self._items: Informer[Ingress] = Informer(client, INGRESSES)
        self._classes: Informer[IngressClass] = Informer(client, INGRESS_CLASSES)
        self._secrets: NamedObjects[Secret] = NamedObjects(client, SECRETS, self._secret)
        self.informers: tuple[Informer[Any], ...] = (self._classes, self._items)
        self._config_maps: NamedObjects[ConfigMap] = NamedObjects(client, CONFIG_MAPS, self._config_map)
        self._items.subscribe(self._item)
        self._classes.subscribe(self._class)
        self._front_changed = front_changed
        live.subscribe(self._backend, front_changed)

    @property
    def classes(self) -> Mapping[NamespacedName, IngressClass]:
        """All IngressClasses: a view that changes."""
        return self._classes.objects

    def subscribe(self, listener: Callable[[Change[Ingress]], None]) -> None:
        """Call this with changes of Ingresses, also of their status; before `run`."""
        self._items.subscribe(listener)

    def take(self) -> Dirty:
        """Return what is different since the last call."""
        dirty, self._dirty = self._dirty, Dirty()
        return dirty

    def follow_references(self) -> None:
        """Follow the Secrets and ConfigMaps that Ingresses name now, and no others."""
        self._secrets.require(self.ingresses.referenced("Secret"))
        options = self.ingresses.options.options
        of_all = (KEY, *filter(None, (options.add_headers, options.proxy_set_headers)))
        self._config_maps.require({*self.ingresses.referenced("ConfigMap"), *of_all})

    async def synced(self) -> None:
        """Return when every kind is known, and each Secret that an Ingress names."""
        for informer in self.informers:
            await informer.synced.wait()
        self.follow_references()
        await self._secrets.synced()
        await self._config_maps.synced()

    async def run(self) -> None:
        """Follow the API server until cancelled. Raises ListenerError."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self.informers:
                tasks.create_task(informer.run())
            tasks.create_task(self._secrets.run())
            tasks.create_task(self._config_maps.run())

    def _item(self, change: Change[Ingress]) -> None:
        if change.new is not None:
            hosts = self.ingresses.put(change.new)
        else:
            assert change.old is not None, "a change has an object"
            hosts = self.ingresses.remove(change.old.key)
        if hosts:
            self._dirty.hosts |= hosts
            self._dirty.certificates |= any(map(shapes_tls, (change.old, change.new)))
            self._changed()

    def _class(self, change: Change[IngressClass]) -> None:
        if change.new is not None:
            hosts = self.ingresses.put_class(change.new)
        else:
            assert change.old is not None, "a change has an object"
            hosts = self.ingresses.remove_class(change.old.metadata.name)
        if hosts:
            self._dirty.hosts |= hosts
            self._dirty.certificates = True
            self._changed()

    def _secret(self, change: Change[Secret]) -> None:
        self._store(SECRETS, change)
        self._dirty.certificates = True
        self._needed("Secret", change)

    def _config_map(self, change: Change[ConfigMap]) -> None:
        self._store(CONFIG_MAPS, change)
        keys = {one.key for one in (change.old, change.new) if one is not None}
        options = self.ingresses.options.options
        if KEY in keys:
            hosts = self.ingresses.configure(read(change.new.data if change.new else {}))
            self._dirty.hosts |= hosts
            self._dirty.certificates = True
        elif keys & {options.add_headers, options.proxy_set_headers}:
            self._dirty.hosts |= self.ingresses.hosts
        self._needed("ConfigMap", change)

    def _needed(self, kind: str, change: Change[Any]) -> None:
        for item in filter(None, (change.old, change.new)):
            self._dirty.hosts |= self.ingresses.hosts_that_need(kind, item.key)
        self._changed()

    def _backend(self, kind: Kind[Any], change: Change[Any]) -> None:
        self._store(kind, change)
        if kind is SERVICES and ingress_front.KEY in {one.key for one in (change.old, change.new) if one}:
            self._front_changed()
        for item in filter(None, (change.old, change.new)):
            key = item.service if kind is ENDPOINT_SLICES else item.key
            if kind is not ENDPOINT_SLICES:
                self._dirty.hosts |= self.ingresses.hosts_that_need("Service", key)
            if self.ingresses.hosts_that_need("Service", key):
                self._dirty.services.add(key)
                self._changed()

    def _store(self, kind: Kind[Any], change: Change[Any]) -> None:
        if change.new is not None:
            self.objects.put(kind.kind, change.new)
        elif change.old is not None:
            self.objects.remove(kind.kind, change.old.key)
