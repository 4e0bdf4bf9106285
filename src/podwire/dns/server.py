"""The cluster's DNS server: informers -> rows -> zone, and the ports on which it serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

import msgspec

from podwire.component import permissions, program
from podwire.component.endpoints import Page, Pages, serving, verdict
from podwire.component.informer_metrics import access_obstacles, of_informers
from podwire.component.logs import LogFormat
from podwire.component.metrics import CONTENT_TYPE, exposition, of_process, of_readiness
from podwire.dns.authority import Authority
from podwire.dns.forward import Forwarder
from podwire.dns.listen import listening
from podwire.dns.measured import MeasuredResponder, QueryMetrics, of_upstreams
from podwire.dns.records import Record
from podwire.dns.responder import ClusterResponder
from podwire.dns.rows import DNS_SERVICE, DOMAIN, Domain, Owner, rows
from podwire.dns.sink import Zone
from podwire.dns.upstreams import upstreams
from podwire.engine.reconcile import Reconciler
from podwire.kube import kinds
from podwire.kube.client import Client
from podwire.kube.core import Namespace
from podwire.kube.credentials import Credentials
from podwire.kube.discovery import EndpointSlice
from podwire.kube.informer import Informer
from podwire.kube.kept_objects import KeptObjects
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.kube.watch import Change

log = logging.getLogger(__name__)


class DnsConfig(msgspec.Struct, frozen=True):
    """The configuration of a DNS server.

    Attributes:
        credentials: the API server, and how to authenticate there.
        domain: the cluster domain.
        cluster_ranges: pod and Service ranges; their unknown reverse names are NXDOMAIN here and never forwarded.
        upstreams: servers for all other names, `address` or `address:port`, or files like resolv.conf; none: such names
            are refused.
        addresses: where to listen; by default everywhere, both families.
        port: of DNS over UDP and TCP.
        health_port: of `/health`, also under the name `/healthz`.
        ready_port: of `/ready`, also under the name `/readyz`.
        metrics_port: of `/metrics`.
        service: the Service that clients reach this server by; its name is in the SOA and NS records.
        ttl: seconds that clients may keep the cluster's records.
        linger: seconds of service after SIGTERM, while clients still send queries here.
        log_format: text or json.
        verbosity: 0 to 2.

    """

    credentials: Credentials
    domain: str = "cluster.local"
    cluster_ranges: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ("0.0.0.0", "::")  # noqa: S104 a DNS server has clients everywhere
    port: int = 53
    health_port: int = 8080
    ready_port: int = 8181
    metrics_port: int = 9153
    service: NamespacedName = DNS_SERVICE
    ttl: int = 5
    linger: float = 0.5
    log_format: LogFormat = "text"
    verbosity: int = 0


class LiveView:
    """The objects that records are made of, and the owners to derive again when one changes."""

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

    def feed(self, reconciler: Reconciler[Owner, Record]) -> None:
        """Touch the owners of every change after this call."""

        def service_changed(change: Change[Service]) -> None:
            key = _either(change).key
            reconciler.touch(Owner(key.namespace, key.name))

        def namespace_changed(change: Change[Namespace]) -> None:
            reconciler.touch(Owner(_either(change).metadata.name))

        def slice_changed(change: Change[EndpointSlice]) -> None:
            for key in self._index(change):
                reconciler.touch(Owner(key.namespace, key.name))

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


async def serve(config: DnsConfig) -> None:
    """Serve until cancelled. Raises ValueError for a bad configuration and OSError where a port is taken."""
    async with Client(config.credentials, "podwire-dns", role=permissions.DNS) as client:
        await serve_objects(client, config)


async def serve_objects(client: Client, config: DnsConfig) -> None:
    """As `serve`, with an API client that is open already."""
    domain = Domain(config.domain, config.cluster_ranges, config.ttl, config.service)
    servers = upstreams(config.upstreams)
    zone = Zone(config.ttl)
    forwarder = Forwarder(servers) if servers else None
    responder = ClusterResponder(Authority(zone, config.ttl), forwarder)
    queries = QueryMetrics()
    view = LiveView(client)
    reconciler: Reconciler[Owner, Record] = Reconciler("dns", lambda owner: rows(owner, view, domain), zone)
    reconciler.touch(DOMAIN)
    # Names of the cluster must be known as such before the first query is received.
    await reconciler.turn()
    view.feed(reconciler)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(listening(MeasuredResponder(responder, queries), config.addresses, config.port))
        for pages, port in (
            (_pages(lambda: True, "/health", "/healthz"), config.health_port),
            (_pages(lambda: responder.ready, "/ready", "/readyz", obstacles=view.obstacles), config.ready_port),
            ({"/metrics": lambda: _metrics(view, responder, queries, forwarder)}, config.metrics_port),
        ):
            await stack.enter_async_context(serving(pages, ((address, port) for address in config.addresses)))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reconciler.run())
            for informer in view.informers:
                tasks.create_task(informer.run())
            await _become_ready(view, reconciler, responder)


def _pages(holds: Callable[[], bool], *paths: str, obstacles: Callable[[], tuple[str, ...]] = tuple) -> Pages:
    """A probe under CoreDNS' name and under that of Kubernetes' components."""
    return dict.fromkeys(paths, lambda: verdict(holds(), obstacles()))


def _metrics(view: LiveView, responder: ClusterResponder, queries: QueryMetrics, forwarder: Forwarder | None) -> Page:
    families = (
        *queries.families(),
        *of_upstreams(forwarder.answered if forwarder else {}, forwarder.failed if forwarder else {}),
        *of_informers(view.informers),
        of_readiness(ready=responder.ready),
        *of_process(),
    )
    return Page(exposition(families), content_type=CONTENT_TYPE)


async def _become_ready(view: LiveView, reconciler: Reconciler[Owner, Record], responder: ClusterResponder) -> None:
    """Wait until every kind has been listed once and is applied to the zone."""
    for informer in view.informers:
        await informer.synced.wait()
    reconciler.inputs_synced()
    await reconciler.settle()
    responder.ready = True
    log.info("ready: %d Services in %d namespaces", len(view.services.objects), len(view.namespaces.objects))


def main(config: DnsConfig) -> None:
    """Serve until SIGTERM or SIGINT, then a little longer. It reads no file but credentials and upstreams."""
    program.run(serve(config), log_format=config.log_format, verbosity=config.verbosity, linger=config.linger)
