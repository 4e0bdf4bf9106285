"""The API server as a process has it: a store, the API on it, listeners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.access.access import Access, AccessConfig
from podwire.apiserver.base.authentication import tls_context
from podwire.apiserver.definitions import bundle
from podwire.apiserver.definitions.controller import Definitions
from podwire.apiserver.definitions.on_demand import OnDemandDefinitions
from podwire.apiserver.documents import health, openapi
from podwire.apiserver.documents.nonresource import ServerDocuments, Version
from podwire.apiserver.handlers.router import Api
from podwire.apiserver.handlers.subresources import Subresources
from podwire.apiserver.http.server import Server
from podwire.apiserver.kinds import builtin
from podwire.apiserver.reads.reader import Reader
from podwire.apiserver.reads.watch_hub import Hub
from podwire.apiserver.storage.history import Window
from podwire.apiserver.storage.revisions import Event, Key
from podwire.apiserver.storage.store import Store
from podwire.apiserver.streams.node_dialer import MakeDialer
from podwire.apiserver.writes import allocation_conflicts, allocation_metrics, bootstrap_objects
from podwire.apiserver.writes.admission import (
    default_ingress_class,
    external_addresses,
    living_namespace,
    service_addresses,
)
from podwire.apiserver.writes.admission_policies.bound import bound_policies
from podwire.apiserver.writes.bootstrap_controller import BootstrapController, BootstrapObject
from podwire.apiserver.writes.ip_addresses import IPAddresses
from podwire.apiserver.writes.pod_priority import PodPriority
from podwire.apiserver.writes.service_allocator import CLUSTER_RANGES, ServiceAddresses, ServiceRanges
from podwire.apiserver.writes.service_cidr_controller import ServiceCIDRController, may_allocate
from podwire.apiserver.writes.writer import Writer
from podwire.kernel import memory

if TYPE_CHECKING:
    import socket

log = logging.getLogger(__name__)

TRIM_SECONDS = 60.0
TRIM_WRITES = 1_000


class ApiServerConfig(msgspec.Struct, frozen=True):
    """Configuration of a server. Files are PEM.

    `cluster_addresses` are those of Service default/kubernetes, `endpoint_addresses` where it forwards to. `dial_nodes`
    makes the dialer of nodes. `roles` are ClusterRoles and bindings beside the default ones. `durable` makes writes
    survive the machine's death too, at one fsync a commit. `token_key_file`, `issuer`, `audit_file`: see AccessConfig.
    Node ports are given from `node_port_range`, its first and last. `allow_external_ips` admits externalIPs of
    Services, by which their author can receive the traffic to any address. `gateway_api` is the channel of Gateway API
    whose kinds are served, standard or experimental; empty: none. `ingress_classes` are names of IngressClasses that
    always exist, with their controllers.
    """

    store: str
    authority_file: str
    certificate_file: str
    key_file: str
    service_ranges: tuple[str, ...]
    cluster_addresses: tuple[str, ...]
    endpoint_addresses: tuple[str, ...]
    dial_nodes: MakeDialer
    listen: tuple[tuple[str, int], ...] = ()
    sockets: Sequence[socket.socket] = ()
    port: int = 6443
    node_port_range: tuple[int, int] = (30000, 32767)
    allow_external_ips: bool = False
    gateway_api: str = ""
    ingress_classes: tuple[tuple[str, str], ...] = ()
    roles: tuple[Mapping[str, Any], ...] = ()
    token_key_file: str = ""
    issuer: str = "https://kubernetes.default.svc.cluster.local"
    audit_file: str = ""
    version: str = openapi.VERSION
    durable: bool = False
    window: Window = msgspec.field(default_factory=Window)


class ApiServer:
    """A running server; made by `running`."""

    def __init__(self, config: ApiServerConfig) -> None:
        self._config = config
        with contextlib.ExitStack() as undo:
            for listener in config.sockets:
                undo.callback(listener.close)
            self._build(undo)
            undo.pop_all()

    def _build(self, undo: contextlib.ExitStack) -> None:
        """Make the parts; what would stay open where a later one fails is given to `undo`."""
        config = self._config
        self.registry = builtin.registry()
        first, last = config.node_port_range
        self._node_ports = range(first, last + 1)
        networks = tuple(map(ip_network, config.service_ranges))
        self._addresses = ServiceAddresses(ServiceRanges(networks, self._node_ports))
        self.store = Store(config.store, durable=config.durable, window=config.window)
        undo.callback(self.store.abandon)
        self.hub = Hub(self.store)
        self.access = self._make_access()
        undo.callback(self.access.close)
        self._definitions = Definitions(self.store, self.registry, self.hub, _now)
        own = (bundle.of_policies(), bundle.of_podwire())
        bundles = [*own, *([bundle.of_gateways(config.gateway_api)] if config.gateway_api else [])]
        self._on_demand = tuple(OnDemandDefinitions(one, self.store, self.registry, self.hub) for one in bundles)
        self._ranges = ServiceCIDRController(
            self.store, self.registry, self._addresses, IPAddresses(self.registry, _now), _now
        )
        self._priority = PodPriority(self.store)
        self._writer = self._make_writer()
        self._bootstrap = BootstrapController(self.store, self._writer, self._bootstrap_objects())
        self.api = self._make_api()
        self._server = Server(self.api, self.store, self.hub, self._tls())

    async def start(self) -> None:
        """Make the first objects and listen; raises OSError where an address is taken."""
        services = [stored.object() for stored in self.store.objects("services")]
        self._addresses.restore(services)
        self.store.subscribe(self._release_addresses)
        self._definitions.start(self._writer)
        for on_demand in self._on_demand:
            on_demand.start(self._writer)
        self._ranges.start(self._writer)
        self._priority.start()
        await self.access.start(self.registry)
        await self._bootstrap.start()
        conflicts = allocation_conflicts.find(services, self._ranges.networks(), self._node_ports)
        await allocation_conflicts.report(self._writer, self.registry, conflicts, _now())
        await self._server.start()
        for host, port in self._config.listen:
            self._server.listen(host, port)
        for listener in self._config.sockets:
            self._server.add_listener(listener)

    async def add_listener(self, listener: socket.socket) -> None:
        """Listen on one more socket, bound already."""
        self._server.add_listener(listener)

    async def stop(self) -> None:
        """End streams, finish writes, close the store."""
        await self._server.stop()
        await self._bootstrap.stop()
        await self._ranges.stop()
        await self.access.stop()
        for on_demand in self._on_demand:
            await on_demand.stop()
        await self._definitions.stop()
        await self.store.close()

    def _tls(self) -> Any:
        config = self._config
        return tls_context(config.authority_file, config.certificate_file, config.key_file)

    def _make_access(self) -> Access:
        config = self._config
        server = f"https://{config.endpoint_addresses[0]}:{config.port}"
        authority = Path(config.authority_file).read_text(encoding="ascii")
        desired = AccessConfig(authority, config.issuer, server, config.token_key_file, config.audit_file, config.roles)
        return Access(desired, self.store, _now)

    def _make_writer(self) -> Writer:
        authority = Path(self._config.authority_file).read_text(encoding="ascii")
        contents = bootstrap_objects.namespace_contents(self.registry, authority, _now)
        own = (living_namespace, contents, service_addresses(self._addresses, may_allocate), self._ranges.admit)
        admission = (
            *own,
            external_addresses(allowed=self._config.allow_external_ips),
            default_ingress_class(self.store),
            self._priority.admit,
            self._definitions.admit,
            *self.access.admission,
        )
        judge = bound_policies(self.registry, self.store, self.access.auth_filter.authorize)
        return Writer(self.registry, self.store, admission, _now, self._ranges.removed, judge)

    def _make_api(self) -> Api:
        config = self._config
        reader = Reader(self.store, self.hub, time.monotonic)
        schemas = openapi.Documents(self.registry, server_side_apply=True)
        address = f"{config.endpoint_addresses[0]}:{config.port}"
        more = self.access.documents()
        documents = ServerDocuments(self.registry, schemas, Version(config.version), address, self._checks(), more)
        metrics = documents.metrics
        metrics.gauge("apiserver_resource_objects", "Stored objects by kind.", "resource", self.store.counts)
        metrics.gauge("apiserver_registered_watchers", "Open watch streams.", "", lambda: {"": len(self.hub)})
        for gauge in allocation_metrics.gauges(self._addresses):
            metrics.gauge(*gauge)
        dialer = config.dial_nodes(self._find_node)
        subresources = Subresources(reader, self._writer, dialer, _now, self.access.token_requests.answer)
        return Api(self.registry, documents, reader, self._writer, subresources, self.access, self._on_demand)

    def _find_node(self, name: str) -> dict[str, Any] | None:
        found = self.store.get(Key("nodes", "", name))
        return None if found is None else found.object()

    def _checks(self) -> Mapping[str, health.Check]:
        return {"ping": health.ping, "store": lambda: self.store.lost}

    def _release_addresses(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.removed and event.key.storage == "services":
                self._addresses.release(event.new.object())

    def _bootstrap_objects(self) -> Iterator[BootstrapObject]:
        config = self._config
        kept = [bootstrap_objects.namespace(name) for name in bootstrap_objects.namespaces(config.roles)]
        kept += bootstrap_objects.priority_classes()
        kept += [bootstrap_objects.ingress_class(*one) for one in config.ingress_classes]
        kept.append(bootstrap_objects.service_cidr(CLUSTER_RANGES, config.service_ranges))
        kept.append(bootstrap_objects.service(config.cluster_addresses, config.port))
        renewed = bootstrap_objects.endpoint_slices(config.endpoint_addresses, config.port)
        renewed.append(bootstrap_objects.endpoints(config.endpoint_addresses, config.port))
        for body in (*kept, *renewed):
            resource = self.registry.by_kind(body["apiVersion"], body["kind"])
            if resource is not None:
                yield BootstrapObject(resource, body, renewed=body in renewed)


@contextlib.asynccontextmanager
async def running(config: ApiServerConfig) -> AsyncIterator[ApiServer]:
    """A server that answers inside the block; raises JournalError or OSError where it cannot start."""
    server = ApiServer(config)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


async def serve(config: ApiServerConfig) -> None:
    """Answer until this task is cancelled; then end gracefully."""
    async with running(config) as server:
        log.info("the API server listens on %s", ", ".join(f"{host}:{port}" for host, port in config.listen))
        await _return_memory(server.store)


async def _return_memory(store: Store) -> None:
    """After many writes, return the memory of removed objects, which the allocator keeps otherwise; until cancelled."""
    trimmed = store.version
    while True:
        await asyncio.sleep(TRIM_SECONDS)
        if store.version - trimmed >= TRIM_WRITES:
            trimmed = store.version
            await asyncio.to_thread(memory.release)


def _now() -> datetime:
    return datetime.now(UTC)
