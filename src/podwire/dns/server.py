"""The cluster's DNS server: informers -> rows -> zone, and the doors on which it answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from podwire.dns.authority import Authority
from podwire.dns.forward import Forwarder, Upstream
from podwire.dns.health import probe_door
from podwire.dns.listen import listening
from podwire.dns.records import Record
from podwire.dns.responder import ClusterResponder
from podwire.dns.rows import DOMAIN, Domain, Owner, rows
from podwire.dns.sink import Zone
from podwire.engine.reconcile import Reconciler
from podwire.kube import kinds
from podwire.kube.client import Client
from podwire.kube.core import Namespace, Service
from podwire.kube.credentials import Credentials
from podwire.kube.discovery import EndpointSlice
from podwire.kube.informer import Informer
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DnsConfig:
    """What a DNS server is told at its start.

    Attributes:
        credentials: the API server and the files that open it.
        domain: the cluster domain.
        cluster_ranges: pod and Service ranges; their unknown reverse names are NXDOMAIN here and never forwarded.
        upstreams: servers for all other names, `address` or `address:port`; none: such names are refused.
        addresses: where to listen; by default everywhere, both families.
        port: of DNS over UDP and TCP.
        health_port: of `/health`.
        ready_port: of `/ready`.
        ttl: seconds that clients may keep the cluster's records.
        linger: seconds of service after SIGTERM, while others still send queries here.

    """

    credentials: Credentials
    domain: str = "cluster.local"
    cluster_ranges: tuple[str, ...] = ()
    upstreams: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ("0.0.0.0", "::")  # noqa: S104 a DNS server is asked from everywhere
    port: int = 53
    health_port: int = 8080
    ready_port: int = 8181
    ttl: int = 5
    linger: float = 0.5


class LiveView:
    """The objects that records are made of, and who must be derived anew when one changes."""

    def __init__(self, client: Client) -> None:
        self.services = Informer(client, kinds.SERVICES)
        self.endpoint_slices = Informer(client, kinds.ENDPOINT_SLICES)
        self.namespaces = Informer(client, kinds.NAMESPACES)
        self._by_service: dict[NamespacedName, dict[NamespacedName, EndpointSlice]] = {}

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
        """Touch the owners of whatever changes from now on."""

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
        """Move a slice to the Service that it belongs to now; answers all Services that this concerns."""
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
    """Serve for ever. Raises ValueError for a bad configuration and OSError where a port is taken."""
    async with Client(config.credentials) as client:
        await serve_objects(client, config)


async def serve_objects(client: Client, config: DnsConfig) -> None:
    """As `serve`, with an API client that is open already."""
    domain = Domain(config.domain, config.cluster_ranges, config.ttl)
    upstreams = [Upstream.parse(text) for text in config.upstreams]
    zone = Zone(config.ttl)
    responder = ClusterResponder(Authority(zone, config.ttl), Forwarder(upstreams) if upstreams else None)
    view = LiveView(client)
    reconciler: Reconciler[Owner, Record] = Reconciler("dns", lambda owner: rows(owner, view, domain), zone)
    reconciler.touch(DOMAIN)
    # Before the first query is taken, the server must know which names are its own.
    await reconciler.turn()
    view.feed(reconciler)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(listening(responder, config.addresses, config.port))
        for path, port, holds in (
            ("/health", config.health_port, lambda: True),
            ("/ready", config.ready_port, lambda: responder.ready),
        ):
            await stack.enter_async_context(probe_door(path, holds, config.addresses, port))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reconciler.run())
            for informer in (view.services, view.endpoint_slices, view.namespaces):
                tasks.create_task(informer.run())
            await _become_ready(view, reconciler, responder)


async def _become_ready(view: LiveView, reconciler: Reconciler[Owner, Record], responder: ClusterResponder) -> None:
    """Wait until every kind has been listed once and stands in the zone."""
    for informer in (view.services, view.endpoint_slices, view.namespaces):
        await informer.synced.wait()
    reconciler.complete()
    await reconciler.settle()
    responder.ready = True
    log.info("ready: %d Services in %d namespaces", len(view.services.objects), len(view.namespaces.objects))


def main(config: DnsConfig) -> None:
    """The life of a DNS process: serve until SIGTERM, then a little longer. Reads no file but the credentials."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s", force=True)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve_until_told(config))


async def _serve_until_told(config: DnsConfig) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    service = asyncio.create_task(serve(config))
    end = asyncio.create_task(told.wait())
    await asyncio.wait((service, end), return_when=asyncio.FIRST_COMPLETED)
    if service.done():
        end.cancel()
        service.result()
    log.info("asked to end: serving for %.1f s more", config.linger)
    await asyncio.sleep(config.linger)
    service.cancel()
