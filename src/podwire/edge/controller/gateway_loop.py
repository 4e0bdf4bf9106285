"""The work of a gateway controller: changed objects to resources in every replica, objects and status in the leader."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from podwire.edge.controller.addresses import Addresses, owner_of
from podwire.edge.controller.fleets import Fleets
from podwire.edge.controller.gateway_fronts import GatewayFronts
from podwire.edge.controller.leader import FLEETS, ROUTE_KINDS, Leader
from podwire.edge.controller.live_objects import LiveObjects
from podwire.edge.controller.owned_objects import MANAGER, OwnedObjects
from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.refusals import Refusals
from podwire.edge.controller.translation import Translation
from podwire.edge.gateway.gateway_proxy import proxy_name
from podwire.edge.gateway.kinds.gateway import GATEWAYS
from podwire.edge.gateway.owners import Owner, owner
from podwire.edge.xds.resource import LISTENER, ROUTES, SECRET
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.edge.controller.fleet import FleetSettings
    from podwire.edge.controller.identity import Identity
    from podwire.edge.xds.proxy import Proxies, Report
    from podwire.kube.client import Client
    from podwire.kube.meta import Object

log = logging.getLogger(__name__)

COUNT_SECONDS = 0.1
"""Until a Gateway's status has a new count of routes: routes that come one after the other are counted together."""
ROUTE_SECONDS = 0.03
"""Until a route's status is written: Envoys take the change before, which the writing would hold up on few cores."""
SETTLE_SECONDS = 0.002
"""Changes that come together are derived together."""


class GatewayLoop:
    """Made before the informers run. `follow` runs in every replica, `lead` in the leader."""

    def __init__(self, client: Client, proxies: Proxies, settings: FleetSettings) -> None:
        self.live = LiveObjects(client, self._touch, self._written, self._fleet_changed)
        self._objects = self.live.objects
        self._ports: dict[str, ProxyPorts] = defaultdict(ProxyPorts)
        self._translation = Translation(self._objects, self.ports)
        self._proxies = proxies
        owned = OwnedObjects(client)
        self._addresses = Addresses(self.live, owned)
        fleets = Fleets(client, self.live, owned, settings)
        fronts = GatewayFronts(
            self._objects, self._translation, proxies, self._ports, fleets, self._addresses, self._touch
        )
        self._recorder = Recorder(client, MANAGER)
        self._refusals = Refusals(self._refused)
        self._leader = Leader(client, self.live, self._translation, proxies, fronts, self._refusals, self._recorder)
        self._dirty: set[Owner] = set()
        self._changed = asyncio.Event()
        self.is_derived = False
        """Whether all objects that were known at the start are in the proxies."""
        self._queue: WorkQueue[Owner] | None = None
        self._identity: Identity | None = None

    def ports(self, proxy: str) -> ProxyPorts:
        """Return the ports of a proxy."""
        return self._ports[proxy]

    async def follow(self) -> None:
        """Derive what changed and pass it to the proxies, until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            self._derive()

    async def lead(self, identity: Identity) -> None:
        """Write the objects of Gateways, every status and events, until cancelled."""
        self._identity = identity
        queue = self._queue = WorkQueue("gateway controller", self._handle)
        try:
            for one in self._all_owners():
                queue.add(one)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._recorder.run())
                tasks.create_task(queue.run())
        finally:
            self._queue = None

    def reported(self, report: Report) -> None:
        """Take what an Envoy acknowledged, refused, or that one came or went."""
        proxy = self._proxies.get(report.proxy)
        table = self._translation.table(report.proxy)
        different = self._refusals.take(report, proxy, table) if proxy is not None else frozenset()
        if self._queue is None:
            return
        for one in (*different, *self._gateways_of(report)):
            self._queue.add(one)

    def _gateways_of(self, report: Report) -> Iterator[Owner]:
        """Yield the Gateways whose listeners a report is about."""
        if report.envoys_changed or any(kind == SECRET for kind, _ in report.keys):
            for gateway in self._objects.gateways.values():
                if proxy_name(gateway) == report.proxy:
                    yield owner("Gateway", gateway.key)
        for kind, name in report.keys:
            if kind in (LISTENER, ROUTES):
                found = NamespacedName(*name.split("/" if kind == LISTENER else ":")[:2])
                if found in self._objects.gateways:
                    yield owner("Gateway", found)

    def _refused(self, one: Owner, reason: str) -> None:
        """Record an event about an object that an Envoy refuses the configuration of."""
        kind = GATEWAYS if one.kind == "Gateway" else ROUTE_KINDS.get(one.kind)
        item = self._objects.gateways.get(one.key) if one.kind == "Gateway" else self._objects.routes.get(one)
        if self._queue is not None and kind is not None and item is not None:
            text = f"Envoy refuses it: {reason}. It serves the configuration before it: change what this names"
            self._recorder.event(kind, cast("Object", item), "RefusedByEnvoy", text, warning=True)

    def _touch(self, owners: Iterable[Owner]) -> None:
        self._dirty.update(owners)
        self._changed.set()

    def _written(self, one: Owner) -> None:
        """Compare a status that was written: by this program, or by another one that may have damaged it."""
        if self._queue is not None:
            self._queue.add(one)

    def _fleet_changed(self) -> None:
        if self._queue is not None:
            for gateway in self._objects.gateways.values():
                self._queue.add(owner("Gateway", gateway.key))
            self._queue.add(FLEETS)

    def _derive(self) -> None:
        dirty, self._dirty = self._dirty, set()
        dirty |= self._restore_ports(dirty)
        self.live.follow_references()
        changes = self._translation.rows_of(dirty)
        self.is_derived = True
        for proxy, difference in changes.proxies.items():
            found = self._proxies.get(proxy)
            if found is not None:
                found.apply(difference.upserts, difference.removals)
            else:
                self._proxies.add(proxy, self._translation.resources(proxy))
        if self._queue is not None:
            for one in changes.owners | self._policies(changes.owners):
                is_counting = one.kind == "Gateway" and one not in dirty
                later = ROUTE_SECONDS if one.kind in ROUTE_KINDS else 0.0
                self._queue.add(one, COUNT_SECONDS if is_counting else later)
            if any(one.kind in {"Gateway", "GatewayClass"} for one in dirty):
                self._queue.add(FLEETS)

    def _policies(self, owners: Iterable[Owner]) -> set[Owner]:
        """Return the policies of the backends of these routes: their status names the routes' Gateways."""
        found: set[Owner] = set()
        for one in owners:
            route = self._objects.routes.get(one) if one.kind in ROUTE_KINDS else None
            if route is None:
                continue
            services = {each.key(one.namespace) for each in route.backends if each.is_service}
            found.update(
                owner("BackendTLSPolicy", each.key) for key in services for each in self._objects.policies_of(key)
            )
        return found

    def _restore_ports(self, dirty: Iterable[Owner]) -> set[Owner]:
        """Take the ports of changed Services of Gateways; return the Gateways of changed and of deleted ones."""
        changed = set()
        for one in dirty:
            if one.kind != "Service":
                continue
            service = self.live.services.get(one.key)
            key = owner_of(service) if service is not None else self._addresses.gateway_of(one.key)
            gateway = self._objects.gateways.get(key) if key is not None else None
            if gateway is None or not self._objects.is_ours(gateway):
                continue
            if service is not None:
                self._ports[proxy_name(gateway)].restore(gateway.key, service)
            changed.add(owner("Gateway", gateway.key))
        return changed

    def _all_owners(self) -> Iterable[Owner]:
        yield FLEETS
        yield from (owner("GatewayClass", key) for key in self._objects.gateway_classes)
        yield from (owner("Gateway", key) for key in self._objects.gateways)
        yield from tuple(self._objects.routes)
        yield from (owner("BackendTLSPolicy", key) for key in self._objects.policies)

    async def _handle(self, key: Owner) -> None:
        assert self._identity is not None, "lead() is running"
        if key not in self._dirty:  # else what is derived is older than the object; it is queued again after that
            again = await self._leader.handle(key, self._identity)
            if again is not None and self._queue is not None:
                self._queue.add(key, again)
            if key == FLEETS and self._queue is not None:  # each minute: another channel may be served by now
                for name in self._objects.gateway_classes:
                    self._queue.add(owner("GatewayClass", name))
