"""The objects that Gateways are made from, kept by informers in one `Objects`, and the owners that a change affects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.edge.controller.fleet import PROXY_LABEL
from podwire.edge.controller.followed_objects import FollowedObjects
from podwire.edge.gateway.kinds.all_kinds import KINDS, ROUTES
from podwire.edge.gateway.kinds.gateway import GATEWAYS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.kube.gateway_api import PROXIES
from podwire.kube.informer import Informer
from podwire.kube.kinds import DEPLOYMENTS, PODS
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from podwire.kube.apps import Deployment
    from podwire.kube.client import Client
    from podwire.kube.core import Pod
    from podwire.kube.kinds import Kind
    from podwire.kube.services import Service
    from podwire.kube.watch import Change


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
        self._followed = FollowedObjects(client, self.objects, KINDS, changed, written)
        pods, fleets = (
            msgspec.structs.replace(PODS, within=PROXIES),
            msgspec.structs.replace(DEPLOYMENTS, within=PROXIES),
        )
        self._pods: Informer[Pod] = Informer(client, pods, label_selector=PROXY_LABEL)
        self._deployments: Informer[Deployment] = Informer(client, fleets, label_selector=PROXY_LABEL)
        self._fleet: tuple[Informer[Any], ...] = (self._pods, self._deployments)
        self._subscribe_fleet(fleet_changed)
        self.informers: tuple[Informer[Any], ...] = (*self._fleet, *self._followed.informers)

    @property
    def services(self) -> Mapping[NamespacedName, Service]:
        """All Services: a view that changes."""
        return self._followed.services

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
        self._subscribe_fleet(fleet_changed)
        self._followed.subscribe(listener)

    def subscribe_edge(self, listener: Callable[[Change[Any]], None]) -> None:
        """Call this with changes of Gateways and routes, also of their status; before `run`."""
        self._followed.subscribe_to((GATEWAYS, *ROUTES), listener)

    def follow_references(self) -> None:
        """Follow the Secrets and ConfigMaps that something refers to now, and no others."""
        self._followed.follow_references()

    @property
    def is_synced(self) -> bool:
        """Whether every kind is known."""
        return self._followed.is_synced and all(one.synced.is_set() for one in self._fleet)

    async def synced(self) -> None:
        """Return when every kind is known, and each object that something refers to."""
        for informer in self._fleet:
            await informer.synced.wait()
        await self._followed.synced()

    async def run(self) -> None:
        """Follow the API server until cancelled. Raises ListenerError."""
        async with asyncio.TaskGroup() as tasks:
            for informer in self._fleet:
                tasks.create_task(informer.run())
            tasks.create_task(self._followed.run())

    def _subscribe_fleet(self, changed: Callable[[], None]) -> None:
        for informer in self._fleet:
            informer.subscribe(lambda _: changed())
