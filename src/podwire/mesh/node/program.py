"""The program of a node in the mesh: it configures the node's Envoy from the API server, and holds certificates.

Envoy is another container of the same pod: it serves with what it has while this program is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec

from podwire.component import permissions, program
from podwire.component.endpoints import Page, Pages, serving, verdict
from podwire.component.informer_metrics import of_informers
from podwire.component.logs import LogFormat
from podwire.component.metrics import CONTENT_TYPE, Family, exposition, gauge, of_process, of_readiness
from podwire.edge.instance.configuration import ADMIN_SOCKET
from podwire.edge.xds import metrics as xds_metrics
from podwire.edge.xds.proxy import Proxies, Report
from podwire.edge.xds.resource import SECRET
from podwire.edge.xds.server import DiscoveryServer
from podwire.kube import tls_buffers
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.mesh.envoy import node_resources, opened
from podwire.mesh.identity.certificate import TRUST_BUNDLE
from podwire.mesh.informers.mesh_options import MeshOptions
from podwire.mesh.informers.policy_objects import PolicyObjects
from podwire.mesh.model.node_pod import KEYS_SOCKET, PROXY, SOCKET
from podwire.mesh.node.certificates import Certificates
from podwire.mesh.node.configuration import Configuration
from podwire.mesh.node.frontends import Frontends
from podwire.mesh.node.golden_metrics import GoldenMetrics
from podwire.mesh.node.held_addresses import HeldAddresses
from podwire.mesh.node.jwt_svids import JwtSvids
from podwire.mesh.node.key_sets import KeySets
from podwire.mesh.node.metrics import of_certificates
from podwire.mesh.node.refusals import NodeRefusals
from podwire.mesh.node.routing import Routing
from podwire.mesh.node.signer_client import SignerClient
from podwire.mesh.node.workload_api import WorkloadApi
from podwire.mesh.node.workload_objects import WorkloadObjects
from podwire.mesh.telemetry.surroundings import Surroundings

log = logging.getLogger(__name__)

NAME = "podwire-mesh-node"
SETTLE_SECONDS = 0.02
"""Changes within this time are one: a rolling update changes many pods."""
UNKNOWN_SECONDS = 1.0
"""Until it is looked again whether kinds that restrict may be read."""


class NodeConfig(msgspec.Struct, frozen=True):
    """Everything that the program is configured with.

    Attributes:
        credentials: the API server, and how to authenticate there.
        node: its node's name.
        signer, signer_name, signer_token: `host:port` of the signer, the name in its certificate, and the file with the
            token for it.
        trust_domain: of all identities.
        folder: shared with Envoy's container: xDS is served on a socket in it.
        workload_api: of the node, with the socket of the Workload API; empty: there is none.
        addresses: where `/healthz`, `/readyz` and `/metrics` answer.
        log_format: text or json.
        verbosity: 0 to 2.

    """

    credentials: Credentials
    node: str
    signer: str
    signer_name: str
    signer_token: str
    trust_domain: str
    folder: str
    workload_api: str = ""
    addresses: tuple[tuple[str, int], ...] = ()
    log_format: LogFormat = "text"
    verbosity: int = 0


class NodeProgram:
    """One process."""

    def __init__(self, config: NodeConfig, client: Client) -> None:
        self._config = config
        self._changed = asyncio.Event()
        self._objects = WorkloadObjects(client, config.node, config.trust_domain, self._changed.set)
        self._policies = PolicyObjects(client, self._changed.set)
        self._options = MeshOptions(client, self._changed.set)
        self._keys_socket = f"{config.folder}/{KEYS_SOCKET}"
        self._key_sets = KeySets(self._keys_socket)
        self._routing = Routing(client, config.node, self._changed.set)
        self._frontends = Frontends(self._routing)
        self._addresses = HeldAddresses()
        signer = SignerClient(config.signer, config.signer_name, config.signer_token)
        self.certificates = Certificates(signer)
        self.certificates.subscribe(self._changed.set)
        self._refusals = NodeRefusals(self._routing.table, self.certificates.report)
        tokens = JwtSvids(signer, self.certificates, config.trust_domain)
        self._workload_api = WorkloadApi(self.certificates, self._objects.identity, config.trust_domain, tokens)
        self._golden = GoldenMetrics(f"{config.folder}/{ADMIN_SOCKET}", config.trust_domain, self._follow)
        self._proxies = Proxies(self._reported)
        self._serving = asyncio.Event()
        versions = (4, 6) if os.path.exists("/proc/net/if_inet6") else (4,)
        self._configuration = Configuration(self._routing, versions, self._keys_socket)
        self._opened = opened.certificate(datetime.now(UTC))

    async def run(self) -> None:
        """Work until cancelled. Raises OSError where an address is taken."""
        server = DiscoveryServer(self._proxies, None)
        async with serving(self._pages(), self._config.addresses), asyncio.TaskGroup() as tasks:
            for one in (self._objects, self._policies, self._routing.live, self._options):
                tasks.create_task(one.run())
            tasks.create_task(self.certificates.run())
            tasks.create_task(self._key_sets.run())
            await self._objects.synced()
            await self._policies.synced()
            await self._routing.live.kinds_synced()
            while self._problems or not self._objects.bundle.roots:
                await self._next_change()
            self._proxies.add(PROXY, ())
            tasks.create_task(self._addresses.run())
            await self._apply()
            await server.start(f"unix:{self._config.folder}/{SOCKET}")
            self._serving.set()
            tasks.create_task(self._frontends.run())
            tasks.create_task(self._golden.run())
            if self._config.workload_api:
                tasks.create_task(self._workload_api.serve(self._config.workload_api, self._config.folder))
            log.info("all kinds are known; Envoy is served")
            try:
                while True:
                    await self._next_change()
                    await self._apply()
            finally:
                await server.stop()

    def _follow(self, to: Surroundings) -> None:
        workloads = self._objects.workloads
        to.follow(workloads.pods, workloads.peers, self._routing.live.objects.services.values())

    async def _next_change(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNKNOWN_SECONDS if self._problems else None):
                await self._changed.wait()
        await asyncio.sleep(SETTLE_SECONDS)
        self._changed.clear()

    @property
    def _problems(self) -> tuple[str, ...]:
        """Why it is not known what is restricted: nothing new is served then."""
        return (*self._policies.problems, *self._objects.problems)

    async def _apply(self) -> None:
        """Serve what follows from the objects and certificates of now; nothing new while a kind may not be read."""
        if self._problems:
            return
        authorization = self._policies.authorization
        workloads = msgspec.structs.replace(self._objects.workloads, authorization=authorization)
        known = self._objects.addresses  # of the same moment: no route forwards to a pod whose policies Envoy lacks
        await self._addresses.add(address for one in workloads.pods for address in one.addresses)
        self._refusals.use(authorization.policies)
        self._key_sets.require(issuer for one in authorization.tokens for issuer in one.issuers)
        certificates = self.certificates
        self._routing.update(known)
        certificates.trust(self._objects.bundle)
        certificates.require(workloads.identities)
        credentials = node_resources.Credentials(certificates.bundle, self._opened, dict(certificates.leaves))
        self._frontends.use(workloads.clients)
        proxy = self._proxies.get(PROXY)
        if proxy is not None:
            difference = self._configuration.difference(workloads, credentials, self._options.tracing)
            proxy.apply(difference.upserts, difference.removals)
            self._frontends.follow(proxy)
            self._addresses.follow(proxy)

    def _reported(self, report: Report) -> None:
        """Take what Envoy has acknowledged or refuses."""
        proxy = self._proxies.get(PROXY)
        if proxy is None:
            return
        trust = (SECRET, TRUST_BUNDLE)
        if trust in report.keys and proxy.envoys() and not proxy.lacking((trust,)):
            self.certificates.applied(self.certificates.bundle.version)
        self._frontends.follow(proxy)
        self._addresses.follow(proxy)
        self._refusals.take(report, proxy)
        for key in report.keys:
            if reason := proxy.refusal(key):
                log.error("Envoy refuses %s %s: %s", key[0].rpartition(".")[2], key[1], reason)

    def ready(self) -> Page:
        """Return whether Envoy is served with all that is known; where not, why."""
        problems = self._problems
        return verdict(self._serving.is_set() and not problems, (*problems, self.certificates.problem))

    def _pages(self) -> Pages:
        return {
            "/healthz": lambda: Page("ok"),
            "/readyz": self.ready,
            "/metrics": lambda: Page(exposition(self._families()), content_type=CONTENT_TYPE),
        }

    def _families(self) -> Iterator[Family]:
        yield from of_informers(self._objects.informers)
        text = "1 while the ConfigMap podwire-system/podwire-mesh cannot be read; the log has the remedy."
        yield gauge("podwire_mesh_options_problem", text, bool(self._options.problem))
        yield from self._golden.families()
        yield from of_certificates(self.certificates, datetime.now(UTC))
        yield from xds_metrics.families(self._proxies)
        yield of_readiness(ready=self.ready().status == HTTPStatus.OK)
        yield from of_process()


async def run(config: NodeConfig) -> None:
    """Work until cancelled."""
    async with Client(config.credentials, NAME, role=permissions.MESH_NODE) as client:
        await NodeProgram(config, client).run()


def main(config: NodeConfig) -> None:
    """Work until SIGTERM or SIGINT."""
    tls_buffers.shrink()
    program.run(run(config), log_format=config.log_format, verbosity=config.verbosity)
