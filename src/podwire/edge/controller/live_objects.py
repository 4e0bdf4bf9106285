"""The objects that Gateways are made from, kept by informers in one `Objects`, and the owners that a change affects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.controller.named_objects import NamedObjects
from podwire.edge.gateway.kinds.all_kinds import KINDS, ROUTES
from podwire.edge.gateway.kinds.gateway import GATEWAYS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner, owner
from podwire.kube.gateway_api import PROXIES
from podwire.kube.informer import Informer
from podwire.kube.kept_objects import KeptObjects
from podwire.kube.kinds import CONFIG_MAPS, DEPLOYMENTS, ENDPOINT_SLICES, NAMESPACES, PODS, SECRETS, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.kube.optional_informer import OptionalInformer

if TYPE_CHECKING:
    from podwire.kube.apps import Deployment
    from podwire.kube.client import Client
    from podwire.kube.core import ConfigMap, Pod, Secret
    from podwire.kube.kinds import Kind
    from podwire.kube.services import Service
    from podwire.kube.watch import Change

NOT_SERVED_SECONDS = 10.0
"""Until a kind that is not served, such as one of the experimental channel, is looked for again."""


class LiveObjects:
    """Informers of whole kinds; Secrets and ConfigMaps by name. `run` must run once.

    `changed` receives the owners to derive again, `written` an object of which nothing but the status has changed;
    `fleet_changed` each change of Envoys' pods and Deployments.
    """

    def __init__(
        self,
        client: Client,
        changed: Callable[[Iterable[Owner]], None],
        written: Callable[[Owner], None],
        fleet_changed: Callable[[], None],
    ) -> None:
        self.objects = Objects()
        self._changed = changed
        self._written = written
        pods, fleets = (
            msgspec.structs.replace(PODS, within=PROXIES),
            msgspec.structs.replace(DEPLOYMENTS, within=PROXIES),
        )
        self._pods: Informer[Pod] = Informer(client, pods, label_selector=PROXY_LABEL)
        self._deployments: Informer[Deployment] = Informer(client, fleets, label_selector=PROXY_LABEL)
        self._services: Informer[Service] = Informer(client, SERVICES)
        namespaces = Informer(client, NAMESPACES, keep=KeptObjects().namespace)
        slices = Informer(client, ENDPOINT_SLICES)
        self._services.subscribe(self._listener(SERVICES))
        namespaces.subscribe(self._listener(NAMESPACES))
        slices.subscribe(self._listener(ENDPOINT_SLICES))
        self._slices = slices
        for fleet_informer in (self._pods, self._deployments):
            fleet_informer.subscribe(lambda _: fleet_changed())
        self.informers: tuple[Informer[Any], ...] = (
            self._pods, self._deployments, self._services, namespaces, slices,
        )  # fmt: skip
        self._optional: dict[Kind[Any], OptionalInformer[Any]] = {
            kind: OptionalInformer(client, kind, retry_seconds=NOT_SERVED_SECONDS) for kind in KINDS
        }
        for kind, optional in self._optional.items():
            optional.subscribe(self._listener(kind))
        self._secrets: NamedObjects[Secret] = NamedObjects(client, SECRETS, self._listener(SECRETS))
        self._config_maps: NamedObjects[ConfigMap] = NamedObjects(client, CONFIG_MAPS, self._listener(CONFIG_MAPS))

    @property
    def services(self) -> Mapping[NamespacedName, Service]:
        """All Services: a view that changes."""
        return self._services.objects

    @property
    def pods(self) -> Mapping[NamespacedName, Pod]:
        """The pods of all proxies: a view that changes."""
        return self._pods.objects

    @property
    def deployments(self) -> Mapping[NamespacedName, Deployment]:
        """The Deployments of all proxies: a view that changes."""
        return self._deployments.objects

    def subscribe(self, listener: Callable[[Kind[Any], Change[Any]], None], fleet_changed: Callable[[], None]) -> None:
        """Call these with changes of Services and EndpointSlices, and after those of Envoys; before `run`."""
        for fleet_informer in (self._pods, self._deployments):
            fleet_informer.subscribe(lambda _: fleet_changed())
        self._services.subscribe(lambda change: listener(SERVICES, change))
        self._slices.subscribe(lambda change: listener(ENDPOINT_SLICES, change))

    def subscribe_edge(self, listener: Callable[[Change[Any]], None]) -> None:
        """Call this with changes of Gateways and routes, also of their status; before `run`."""
        for kind in (GATEWAYS, *ROUTES):
            self._optional[kind].subscribe(listener)

    def follow_references(self) -> None:
        """Follow the Secrets and ConfigMaps that something refers to now, and no others."""
        self._secrets.require(self.objects.referenced("Secret"))
        self._config_maps.require(self.objects.referenced("ConfigMap"))

    @property
    def is_synced(self) -> bool:
        """Whether every kind is known."""
        known = (*(one.synced for one in self.informers), *(one.synced for one in self._optional.values()))
        return all(one.is_set() for one in known)

    async def synced(self) -> None:
        """Return when every kind is known, and each object that something refers to."""
        for informer in self.informers:
            await informer.synced.wait()
        for optional in self._optional.values():
            await optional.synced.wait()
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
                owners = self.objects.put(kind.kind, change.new)
            elif change.old is not None:
                owners = self.objects.remove(kind.kind, change.old.key)
            else:
                return
            if owners:
                self._changed(owners)
            elif change.new is not None:
                self._written(owner(kind.kind, change.new.key))

        return changed
