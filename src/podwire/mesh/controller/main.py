"""The mesh controller of one process: the leader signs, rotates the authority and keeps the mesh's pods on nodes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from podwire.component import permissions, program
from podwire.component.endpoints import serving
from podwire.component.leader_pages import leader_pages
from podwire.component.logs import LogFormat
from podwire.kube import tls_buffers
from podwire.kube.client import ApiError, Client
from podwire.kube.credentials import Credentials
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import ENDPOINT_SLICES
from podwire.kube.leader_election import LeaderElector
from podwire.kube.meta import NamespacedName
from podwire.kube.recorder import Recorder
from podwire.mesh.controller import metrics, signer_endpoint
from podwire.mesh.controller.authority_loop import TICK_SECONDS, AuthorityLoop
from podwire.mesh.controller.daemon_set import NodeSettings
from podwire.mesh.controller.label_events import LabelEvents
from podwire.mesh.controller.mesh_objects import MeshObjects
from podwire.mesh.controller.mesh_statuses import MeshStatuses
from podwire.mesh.controller.node_pods import NodePods
from podwire.mesh.controller.node_reports import NodeReports
from podwire.mesh.controller.policy_statuses import PolicyStatuses
from podwire.mesh.controller.route_statuses import RouteStatuses
from podwire.mesh.controller.signer import Signer
from podwire.mesh.controller.signer_endpoint import SERVICE
from podwire.mesh.controller.signing_service import SigningService
from podwire.mesh.identity.authority import AuthorityError
from podwire.mesh.identity.exchange import PORT
from podwire.mesh.identity.rotation import Lifetimes
from podwire.mesh.identity.spiffe import DEFAULT_TRUST_DOMAIN

if TYPE_CHECKING:
    from podwire.component.metrics import Family
    from podwire.kube.informer import Informer

log = logging.getLogger(__name__)

NAME = LEASE = SERVICE
RETRY_SECONDS = 1.0


class MeshConfig(msgspec.Struct, frozen=True):
    """Everything that a mesh controller is configured with.

    Attributes:
        credentials: the API server, and how to authenticate there.
        identity: who leads, as its Lease names it; differs between all processes.
        nodes: what the mesh's pods have in common.
        trust_domain: of all ids.
        lifetimes: of certificates.
        own_addresses: of this pod, the endpoints of the signer's Service while it leads; none: there is no Service.
        bind, port: where the signer listens.
        addresses: where `/healthz`, `/readyz` and `/metrics` answer.
        log_format: text or json.
        verbosity: 0 to 2.

    """

    credentials: Credentials
    identity: str
    nodes: NodeSettings
    trust_domain: str = DEFAULT_TRUST_DOMAIN
    lifetimes: Lifetimes = Lifetimes()
    own_addresses: tuple[str, ...] = ()
    bind: str = "0.0.0.0"  # noqa: S104 nodes connect from everywhere
    port: int = PORT
    addresses: tuple[tuple[str, int], ...] = ()
    log_format: LogFormat = "text"
    verbosity: int = 0


class MeshController:
    """One process."""

    def __init__(self, config: MeshConfig, client: Client) -> None:
        self._config = config
        self._client = client
        self._objects = MeshObjects(client, self._enrolment_changed)
        self._reports = NodeReports()
        self._signer = Signer(client, self._objects.running, config.lifetimes)
        self._authority = AuthorityLoop(
            client, self._signer, self._reports, self._objects.nodes, config.trust_domain, config.lifetimes
        )
        self._policies = PolicyStatuses(client, self._reports)
        self._pods = NodePods(client, self._objects, config.nodes)
        self._recorder = Recorder(client, NAME)
        self._routes = RouteStatuses(client, self._recorder, self._reports)
        self._meshes = MeshStatuses(client)
        self._elector = LeaderElector(client, NamespacedName(PROXIES, LEASE), config.identity)

    @property
    def _informers(self) -> tuple[Informer[Any], ...]:
        return self._objects.informers

    def _enrolment_changed(self) -> None:
        self._pods.changed()

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError where an address is taken."""
        pages = leader_pages(self._elector, lambda: self._informers, self._families, lambda: self._objects.is_synced)
        async with serving(pages, self._config.addresses), asyncio.TaskGroup() as tasks:
            tasks.create_task(self._objects.run())
            tasks.create_task(self._policies.run())
            tasks.create_task(self._routes.live.run())
            await self._objects.synced()
            tasks.create_task(self._follow_routes())
            await self._elector.run(self._lead)

    async def _follow_routes(self) -> None:
        await self._routes.live.kinds_synced()
        await self._routes.follow()

    async def _write_routes(self) -> None:
        await self._routes.live.kinds_synced()
        await self._routes.lead()

    async def _lead(self) -> None:
        """Work until cancelled. Raises OSError where the signer's address is taken."""
        service = SigningService(
            self._client, self._signer, self._objects.running, self._reports, self._config.nodes.signer_name
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._authority.lead())
            tasks.create_task(self._pods.lead())
            tasks.create_task(self._policies.lead())
            tasks.create_task(self._sign(service))
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._write_routes())
            tasks.create_task(self._meshes.lead())
            tasks.create_task(LabelEvents(self._client, self._recorder).lead())

    async def _sign(self, service: SigningService) -> None:
        """Serve nodes once there is an authority; keep the server's own certificate valid."""
        port = 0
        try:
            while True:
                state = self._authority.state
                if state is not None:
                    try:
                        service.certify(state, datetime.now(UTC))
                    except (AuthorityError, ValueError) as error:
                        log.warning("the signer has no certificate: %s", error)
                    else:
                        if not port:
                            port = await service.start(self._config.bind, self._config.port)
                            await self._publish()
                await asyncio.sleep(TICK_SECONDS if port else 0.1)
        finally:
            await service.stop()

    async def _publish(self) -> None:
        """Write the EndpointSlices, in place of those of an earlier leader."""
        while self._config.own_addresses:
            try:
                for name, body in signer_endpoint.slices(self._config.own_addresses).items():
                    await self._client.apply(ENDPOINT_SLICES, NamespacedName(PROXIES, name), body, SERVICE)
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("the endpoint of the signer: %s; again in %g s", error, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    def _families(self) -> Iterator[Family]:
        yield from metrics.families(self._authority, self._signer, datetime.now(UTC), leading=self._elector.leading)


async def run(config: MeshConfig) -> None:
    """Serve until cancelled."""
    async with Client(config.credentials, NAME, role=permissions.MESH) as client:
        await MeshController(config, client).run()


def main(config: MeshConfig) -> None:
    """Serve until SIGTERM or SIGINT; then another process leads at once."""
    tls_buffers.shrink()
    program.run(run(config), log_format=config.log_format, verbosity=config.verbosity)
