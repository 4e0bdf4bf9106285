"""The gateway controller of one process: every one serves xDS, the leader writes to the API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import aiohttp
import msgspec

from podwire.component import permissions, program
from podwire.component.endpoints import serving
from podwire.component.leader_pages import leader_pages
from podwire.component.logs import LogFormat
from podwire.component.metrics import Family
from podwire.edge.controller import default_certificate, metrics, own_class, take_over, xds_service
from podwire.edge.controller import identity as identities
from podwire.edge.controller.fleet import FleetSettings
from podwire.edge.controller.gateway_loop import GatewayLoop
from podwire.edge.controller.ingress_loop import IngressLoop, IngressSettings
from podwire.edge.controller.published_names import Names, PublishedNames
from podwire.edge.controller.xds_service import SERVICE, XDS_PORT, XDS_SERVER
from podwire.edge.xds import metrics as xds_metrics
from podwire.edge.xds.proxy import Proxies, Report
from podwire.edge.xds.server import DiscoveryServer
from podwire.kube import tls_buffers
from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import Credentials
from podwire.kube.gateway_api import PROXIES
from podwire.kube.informer import Informer
from podwire.kube.kinds import ENDPOINT_SLICES
from podwire.kube.leader_election import LeaderElector
from podwire.kube.meta import NamespacedName

log = logging.getLogger(__name__)

NAME = LEASE = SERVICE
RETRY_SECONDS, NOT_SERVED_SECONDS = 1.0, 10.0

ResultT = TypeVar("ResultT")


class GatewayConfig(msgspec.Struct, frozen=True):
    """Everything that a gateway controller is configured with.

    Attributes:
        credentials: the API server, and how to authenticate there.
        identity: who leads, as its Lease names it; differs between all processes.
        server: host name or address where Envoys find this program's xDS server.
        image: of Envoy's containers.
        envoy_command: the words before the flags of Envoy's containers.
        own_addresses: of this pod, the endpoints of the xDS server's Service while it leads; none: there is no Service.
        creates_class: whether it creates a GatewayClass where there is none of its own.
        ingress: which Ingresses are served.
        bind: address of the xDS server.
        xds_port: its port.
        replicas: Envoys of each proxy.
        drain_seconds: longest time for which an Envoy that ends serves its connections.
        addresses: where `/healthz`, `/readyz` and `/metrics` answer.
        log_format: text or json.
        verbosity: 0 to 2.

    """

    credentials: Credentials
    identity: str
    server: str
    image: str
    envoy_command: tuple[str, ...] = ()
    own_addresses: tuple[str, ...] = ()
    creates_class: bool = False
    ingress: IngressSettings = IngressSettings()
    bind: str = "0.0.0.0"  # noqa: S104 Envoys are pods of any node
    xds_port: int = XDS_PORT
    replicas: int = 1
    drain_seconds: int = 30
    addresses: tuple[tuple[str, int], ...] = ()
    log_format: LogFormat = "text"
    verbosity: int = 0

    @property
    def fleet(self) -> FleetSettings:
        """What its Envoys have in common."""
        return FleetSettings(
            self.image,
            self.server,
            self.xds_port,
            XDS_SERVER,
            self.replicas,
            self.drain_seconds,
            command=self.envoy_command,
        )


class GatewayController:
    """One process."""

    def __init__(self, config: GatewayConfig, client: Client, publish: Callable[[Names], None] | None = None) -> None:
        self._config = config
        self._publish_names = publish
        self._client = client
        self._heard = asyncio.Event()
        self._proxies = Proxies(self._reported)
        self._loop = GatewayLoop(client, self._proxies, config.fleet)
        self._objects = self._loop.live
        self._ingresses = IngressLoop(client, self._objects, self._proxies, config.fleet, config.ingress)
        self._names = PublishedNames(self._objects.objects, self._ingresses.objects.ingresses.claims)
        if publish is not None:
            self._objects.subscribe_edge(self._names.changed)
            self._ingresses.objects.subscribe(self._names.changed)
        self._elector = LeaderElector(client, NamespacedName(PROXIES, LEASE), config.identity)

    @property
    def _informers(self) -> tuple[Informer[Any], ...]:
        return (*self._objects.informers, *self._ingresses.objects.informers)

    def _reported(self, report: Report) -> None:
        self._heard.set()
        self._loop.reported(report)
        self._ingresses.reported(report)

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError where an address is taken."""
        pages = leader_pages(self._elector, lambda: self._informers, self._families, lambda: self._objects.is_synced)
        async with serving(pages, self._config.addresses), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._objects.run())
            tasks.create_task(self._ingresses.objects.run())
            authority = "the authority of Envoys"
            identity = await _until_done(authority, lambda: identities.establish(self._client, XDS_SERVER))
            await self._objects.synced()
            log.info("all kinds are known; starting to work")
            await self._ingresses.objects.synced()
            tasks.create_task(self._loop.follow())
            tasks.create_task(self._follow_ingresses())
            if self._publish_names is not None:
                tasks.create_task(self._names.run(self._publish_names))
            await self._elector.run(lambda: self._lead(identity))

    async def _follow_ingresses(self) -> None:
        certificate = "the default certificate of Ingresses"
        await self._ingresses.follow(await _until_done(certificate, lambda: default_certificate.provide(self._client)))

    async def _lead(self, identity: identities.Identity) -> None:
        """Serve xDS and write to the API, until cancelled. Raises OSError where the address is taken."""
        server = DiscoveryServer(self._proxies, identity.server_credentials)
        await server.start(f"{self._config.bind}:{self._config.xds_port}")
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._config.own_addresses:
                    tasks.create_task(_until_done("the endpoint of xDS", self._publish))
                if self._config.creates_class:
                    tasks.create_task(self._provide_class())
                await self._envoys_connected()
                tasks.create_task(self._loop.lead(identity))
                tasks.create_task(self._ingresses.lead(identity))
        finally:
            await server.stop()

    async def _envoys_connected(self) -> None:
        """Return when it is known what the Envoys of an earlier leader serve, or after `take_over.SECONDS`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(take_over.SECONDS):
                while take_over.awaited(self._objects.pods.values(), self._proxies, is_derived=self._loop.is_derived):
                    self._heard.clear()
                    await self._heard.wait()

    async def _publish(self) -> None:
        """Write the EndpointSlices, in place of those of an earlier leader."""
        for name, body in xds_service.slices(self._config.own_addresses, self._config.xds_port).items():
            await self._client.apply(ENDPOINT_SLICES, NamespacedName(PROXIES, name), body, SERVICE)

    async def _provide_class(self) -> None:
        classes = self._objects.objects.gateway_classes

        async def provide() -> bool:
            return await own_class.provide(self._client, tuple(classes.values()))

        classes_of_ingresses = self._ingresses.objects.classes

        async def provide_ingress_class() -> bool:
            return await own_class.provide_ingress_class(self._client, tuple(classes_of_ingresses.values()))

        await _until_done("the IngressClass", provide_ingress_class)
        while not await _until_done("the GatewayClass", provide):  # noqa: ASYNC110 the kind may be served later
            await asyncio.sleep(NOT_SERVED_SECONDS)

    def _families(self) -> Iterator[Family]:
        yield from metrics.of_controller(leading=self._elector.leading)
        yield from xds_metrics.families(self._proxies)


async def run(config: GatewayConfig, publish: Callable[[Names], None] | None = None) -> None:
    """Serve until cancelled. `publish` is called with the addresses of all host names when they change."""
    async with Client(config.credentials, NAME, role=permissions.GATEWAY) as client:
        await GatewayController(config, client, publish).run()


def main(config: GatewayConfig) -> None:
    """Serve until SIGTERM or SIGINT; then another process leads at once."""
    tls_buffers.shrink()
    program.run(run(config), log_format=config.log_format, verbosity=config.verbosity)


async def _until_done(what: str, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Return what the call returns; an error of the API server, or a bad object, is logged and the call repeated."""
    while True:
        try:
            return await call()
        except (ApiError, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.warning("%s: %s; again in %g s", what, error, RETRY_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)
