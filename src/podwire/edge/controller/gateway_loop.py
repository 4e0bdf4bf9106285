"""The work of a gateway controller: changed objects to resources in every replica, objects and status in the leader."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podwire.edge.controller import gateway_service, programming
from podwire.edge.controller.addresses import Addresses, addresses_of, owner_of
from podwire.edge.controller.fleets import Fleets
from podwire.edge.controller.gateway_service import GatewayFront, is_ready
from podwire.edge.controller.live_objects import LiveObjects
from podwire.edge.controller.owned_objects import OwnedObjects
from podwire.edge.controller.proxy_ports import ProxyPorts
from podwire.edge.controller.translation import REQUEST_ROUTES, Translation, ports_of
from podwire.edge.gateway import statuses
from podwire.edge.gateway.kinds.gateway import GATEWAYS, Gateway
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES
from podwire.edge.gateway.kinds.grpc_route import GRPC_ROUTES, GRPCRoute
from podwire.edge.gateway.kinds.http_route import HTTP_ROUTES, HTTPRoute
from podwire.edge.gateway.owners import Owner, owner
from podwire.edge.xds.resource import VIRTUAL_HOST, Key
from podwire.kube.meta import NamespacedName
from podwire.kube.status_writer import StatusWriter
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.edge.controller.fleet import FleetSettings
    from podwire.edge.controller.identity import Identity
    from podwire.edge.xds.proxy import Proxies, Report
    from podwire.kube.client import Client

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.002
"""Changes that come together are derived together."""
PROXY = "Proxy"
"""Kind of the keys of the queue that are proxies."""


class GatewayLoop:
    """Made before the informers run. `follow` runs in every replica, `lead` in the leader."""

    def __init__(self, client: Client, proxies: Proxies, settings: FleetSettings) -> None:
        self.live = LiveObjects(client, self._touch, self._fleet_changed)
        self._objects = self.live.objects
        self._ports: dict[str, ProxyPorts] = defaultdict(ProxyPorts)
        self._translation = Translation(self._objects, self._ports.__getitem__)
        self._proxies = proxies
        self._client = client
        owned = OwnedObjects(client)
        self._fleets = Fleets(client, self.live, owned, settings)
        self._addresses = Addresses(self.live, owned)
        self._dirty: set[Owner] = set()
        self._changed = asyncio.Event()
        self._queue: WorkQueue[Owner] | None = None
        self._identity: Identity | None = None

    async def follow(self) -> None:
        """Derive what changed and pass it to the proxies, until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._changed.clear()
            self._derive()

    async def lead(self, identity: Identity) -> None:
        """Write the objects of Gateways and every status, until cancelled."""
        self._identity = identity
        queue = self._queue = WorkQueue("gateway controller", self._handle)
        try:
            for one in self._all_owners():
                queue.add(one)
            await queue.run()
        finally:
            self._queue = None

    def reported(self, report: Report) -> None:
        """Take what an Envoy acknowledged, refused, or that one came or went."""
        if self._queue is None:
            return
        hosts = {name.partition("/")[0] for kind, name in report.keys if kind == VIRTUAL_HOST}
        if report.envoys_changed or any(kind != VIRTUAL_HOST for kind, _ in report.keys):
            for gateway in self._objects.gateways_of_class(report.proxy):
                self._queue.add(owner("Gateway", gateway.key))
        for table in hosts:
            self._queue.add(Owner("Gateway", *table.split(":")[:2]))

    def _touch(self, owners: Iterable[Owner]) -> None:
        self._dirty.update(owners)
        self._changed.set()

    def _fleet_changed(self) -> None:
        if self._queue is not None:
            for gateway in self._objects.gateways.values():
                self._queue.add(owner("Gateway", gateway.key))
            for name in {one.spec.gateway_class_name for one in self._objects.gateways.values()}:
                self._queue.add(Owner(PROXY, "", name))

    def _derive(self) -> None:
        dirty, self._dirty = self._dirty, set()
        dirty |= self._restore_ports(dirty)
        self.live.follow_references()
        for proxy, difference in self._translation.rows_of(dirty).items():
            found = self._proxies.get(proxy)
            if found is not None:
                found.apply(difference.upserts, difference.removals)
            else:
                self._proxies.add(proxy, self._translation.resources(proxy))
        if self._queue is not None:
            for one in dirty:
                self._queue.add(one)
                if one.kind in REQUEST_ROUTES:  # its parents count it
                    for attachment in self._translation.attachments(one):
                        self._queue.add(owner("Gateway", attachment.gateway))

    def _restore_ports(self, dirty: Iterable[Owner]) -> set[Owner]:
        """Take the ports of changed Services of Gateways; return the Gateways that have further ones now."""
        changed = set()
        for one in dirty:
            service = self.live.services.get(one.key) if one.kind == "Service" else None
            gateway = self._objects.gateways.get(key) if service and (key := owner_of(service)) else None
            if service is not None and gateway is not None and self._objects.is_ours(gateway):
                ports = self._ports[gateway.spec.gateway_class_name]
                ports.restore(gateway.key, service)
                changed.add(owner("Gateway", gateway.key))
        return changed

    def _all_owners(self) -> Iterable[Owner]:
        yield from (owner("GatewayClass", key) for key in self._objects.gateway_classes)
        yield from (owner("Gateway", key) for key in self._objects.gateways)
        yield from tuple(self._objects.routes)

    async def _handle(self, key: Owner) -> None:
        match key.kind:
            case "GatewayClass":
                await self._class(key)
            case "Gateway":
                await self._gateway(key)
            case "HTTPRoute" | "GRPCRoute":
                await self._route(key)
            case _ if key.kind == PROXY and self._identity is not None:
                await self._fleets.provide(self._identity, key.name)

    async def _class(self, key: Owner) -> None:
        item = self._objects.gateway_classes.get(key.key)
        if item is None or item.spec.controller_name != self._objects.controller:
            return
        now = datetime.now(UTC)
        writer = StatusWriter(self._client, GATEWAY_CLASSES)
        await writer.write(item, lambda one: statuses.class_status(one, "", now))

    async def _gateway(self, key: Owner) -> None:
        item = self._objects.gateways.get(key.key)
        if item is None or not self._objects.is_ours(item) or item.metadata.deletion_timestamp:
            return
        proxy = item.spec.gateway_class_name
        assert self._identity is not None, "lead() is running"
        await self._fleets.provide(self._identity, proxy)
        states = self._translation.states(key.key)
        had = self._ports[proxy].of_gateway(item.key)
        ports = self._ports[proxy].require(ports_of(states))
        if len(self._ports[proxy].of_gateway(item.key)) > len(had):
            self._touch((key,))
        pods = self._fleets.pods(proxy)
        front = _front(item, ports)
        if ports:
            await self._addresses.provide(front, pods)
        await self._addresses.remove(key.key, keep=gateway_service.name_of(front) if ports else None)
        found = addresses_of(self._addresses.service(gateway_service.name_of(front)))
        ready = {one.metadata.name for one in pods if is_ready(one) and not one.metadata.deletion_timestamp}
        entries = [
            (one, self._translation.attached_routes(one), self._pending(proxy, ready, self._translation.keys_of(one)))
            for one in states
            if one.parent == key
        ]
        now = datetime.now(UTC)
        writer = StatusWriter(self._client, GATEWAYS)
        await writer.write(item, lambda one: statuses.gateway_status(one, entries, found, now))

    def _pending(self, name: str, ready: set[str], keys: tuple[Key, ...]) -> str:
        proxy = self._proxies.get(name)
        if not keys:
            return "the configuration is being made"
        return programming.refusal(proxy, keys) or programming.pending(proxy, ready, keys)

    async def _route(self, key: Owner) -> None:
        item = self._objects.routes.get(key)
        if not isinstance(item, HTTPRoute | GRPCRoute):
            return
        found, rules = self._translation.attachments(key), self._translation.translated(key)
        refusal = self._refusal(found)
        now = datetime.now(UTC)
        if isinstance(item, GRPCRoute):
            grpc = StatusWriter(self._client, GRPC_ROUTES)
            await grpc.write(item, lambda one: statuses.route_status(one, found, rules, refusal, now))
            return
        http = StatusWriter(self._client, HTTP_ROUTES)
        await http.write(item, lambda one: statuses.route_status(one, found, rules, refusal, now))

    def _refusal(self, found: Iterable[Any]) -> str:
        """Return why an Envoy refuses a virtual host that the route is in; empty where none does."""
        for attachment in found:
            gateway = self._objects.gateways.get(attachment.gateway)
            proxy = self._proxies.get(gateway.spec.gateway_class_name) if gateway is not None else None
            for there in attachment.listeners:
                keys = [(VIRTUAL_HOST, f"{there.state.table}/{domain}") for domain in there.domains]
                if reason := programming.refusal(proxy, keys):
                    return reason
        return ""


def _front(item: Gateway, ports: gateway_service.Ports) -> GatewayFront:
    address = next((one.value for one in item.spec.addresses if one.type in {None, "IPAddress"}), "")
    infrastructure = item.spec.infrastructure
    return GatewayFront(
        NamespacedName(item.metadata.namespace, item.metadata.name),
        item.metadata.uid,
        item.spec.gateway_class_name,
        ports,
        address,
        infrastructure.labels,
        infrastructure.annotations,
    )
