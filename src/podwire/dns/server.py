"""The cluster's DNS server: informers -> rows -> zone; a Corefile -> blocks; and the ports on which it serves."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from podwire.component import permissions, program
from podwire.component.endpoints import Page, Pages, serving, verdict
from podwire.component.informer_metrics import access_obstacles, of_informers
from podwire.component.metrics import CONTENT_TYPE, exposition, of_process, of_readiness
from podwire.dns.assembly import Assembly, Ground
from podwire.dns.block import Readiness
from podwire.dns.config import DnsConfig
from podwire.dns.corefile.configuration import Configuration
from podwire.dns.corefile.kubernetes import KubernetesSettings
from podwire.dns.corefile_source import ConfigMapSource, follow_file, read_file
from podwire.dns.default_corefile import default_corefile
from podwire.dns.listen import Responder, listening
from podwire.dns.live_view import LiveView
from podwire.dns.measured import MeasuredResponder, QueryMetrics, of_configuration, of_forwarding
from podwire.dns.names import to_text
from podwire.dns.owner import DOMAIN, Owner
from podwire.dns.pods import PodAddressIndex
from podwire.dns.ports import Open, Ports
from podwire.dns.ready_answers import ReadyAnswers
from podwire.dns.reloading import Reloader
from podwire.dns.responder import ClusterResponder
from podwire.dns.rows import Domain, Row, rows
from podwire.dns.sink import Zone
from podwire.dns.workers import Workers
from podwire.engine.reconcile import Reconciler
from podwire.kernel import memory
from podwire.kube import tls_buffers
from podwire.kube.client import Client
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.recorder import Recorder

log = logging.getLogger(__name__)

LOOP = "ForwardingLoop"
"""Reason of an event about the ConfigMap."""
PODS_SECONDS = 10.0
"""How long a Corefile that needs the pods waits for them, before it is rejected until they are known."""


class Server:
    """One DNS server. `linger` is the time of service after SIGTERM, in seconds."""

    def __init__(self, client: Client, config: DnsConfig, workers: Workers | None = None) -> None:
        self.linger = config.linger
        self._config = config
        self._view = LiveView(client)
        self._recorder = Recorder(client, "podwire-dns")
        self._workers = workers
        self._ready_answers = ReadyAnswers(changed=workers.numbers.publish if workers is not None else lambda _: None)
        self._queries = QueryMetrics(self._ready_answers.counts)
        self._ground = Ground(
            Zone(config.ttl, self._ready_answers.clear),
            Readiness(),
            PodAddressIndex(client),
            self._ready_answers,
            partial(self._report, LOOP, warning=True),
        )
        self._domain = Domain(config.domain.removesuffix("."), config.cluster_ranges, config.ttl, config.service)
        self._reconciler: Reconciler[Owner, Row] = Reconciler("dns", self._rows, self._ground.zone)
        self._reloader = Reloader(config.port, self._apply, self._report)
        self._source: ConfigMapSource | None = None
        if config.config_map is not None and not config.corefile:
            self._source = ConfigMapSource(client, config.config_map, self._reloader.changed)
        self._ports = Ports()
        self._responders: dict[int, ClusterResponder] = {}
        self._measured: dict[int, Responder] = {}
        self._assembly: Assembly | None = None
        self._tasks: asyncio.TaskGroup | None = None
        """What runs beside each other: where one raises, all end, and with them the process."""
        self._running: asyncio.Task[None] | None = None
        self._follows_pods = False
        self._retrying: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve until cancelled. Raises ValueError for a bad configuration and OSError where a port is taken."""
        config = self._config
        text, files = default_corefile(config.domain, config.upstreams, config.ttl, config.port), dict[str, str]()
        if config.corefile:
            text, files = read_file(Path(config.corefile))
        try:
            # Names of the cluster must be known as such before the first query is received.
            self._reconciler.touch(DOMAIN)
            await self._reloader.use(text, files)
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._run_assembly()
                self._view.feed(self._reconciler.touch)
                tasks.create_task(self._reconciler.run())
                tasks.create_task(self._reloader.run())
                tasks.create_task(self._recorder.run())
                if self._workers is not None:
                    tasks.create_task(self._workers.serve(self._measured, self._ready_answers))
                if config.corefile:
                    tasks.create_task(follow_file(Path(config.corefile), self._reloader.changed))
                for informer in self._informers():
                    tasks.create_task(informer.run())
                await self._become_ready()
        finally:
            await self._ports.close()

    def _informers(self) -> tuple[Informer[Any], ...]:
        pods = (self._ground.pods.informer,) if self._follows_pods else ()
        return (*self._view.informers, *((self._source.informer,) if self._source is not None else ()), *pods)

    def _rows(self, owner: Owner) -> Iterable[Row]:
        return rows(owner, self._view, self._domain)

    def _report(self, reason: str, message: str, warning: bool = False) -> None:
        """Write an event about the ConfigMap, where there is one."""
        if reason == LOOP:
            log.error("%s", message)
        found = self._source.object if self._source is not None else None
        if found is not None:
            self._recorder.event(CONFIG_MAPS, found, reason, message, warning=warning)

    async def _apply(self, found: Configuration) -> None:
        """Use this configuration. Raises ValueError and OSError, with all as before, for what cannot be used."""
        domain = self._domain_of(found.kubernetes)
        assembly = Assembly(found, self._ground)
        if found.needs_pods:
            await self._know_pods()
        await self._ports.set(self._desired(found, assembly))
        if self._workers is not None:
            self._workers.listen(tuple(assembly.routers))
        self._domain = domain
        self._ground.zone.live(domain.ttl)
        self._reconciler.touch(*self._view.owners())
        await self._reconciler.turn()
        for port, router in assembly.routers.items():
            self._responders[port].use(router)
        self._ready_answers.clear()
        self.linger = found.linger if found.linger is not None else self._config.linger
        self._assembly = assembly
        self._run_assembly()

    def _run_assembly(self) -> None:
        """Run the present assembly in place of the one before; the first one waits for the others of its group."""
        if self._tasks is None or self._assembly is None:
            return
        if self._running is not None:
            self._running.cancel()
        self._running = self._tasks.create_task(self._assembly.run())

    async def _know_pods(self) -> None:
        """Wait until all pods are known. Raises ValueError where they cannot be read in time.

        The first Corefile does not wait: until all is known the cluster's names are SERVFAIL in any case.
        """
        informer = self._ground.pods.informer
        started, self._follows_pods = self._follows_pods, True
        if self._tasks is None:
            return
        if not started:
            self._tasks.create_task(informer.run())
        try:
            async with asyncio.timeout(PODS_SECONDS):
                await informer.synced.wait()
        except TimeoutError:
            if self._retrying is None or self._retrying.done():
                self._retrying = self._tasks.create_task(self._retry_with_pods())
            reason = "; ".join(access_obstacles((informer,)))
            raise ValueError(f"'pods verified' and autopath must know all pods: {reason}") from None

    async def _retry_with_pods(self) -> None:
        await self._ground.pods.informer.synced.wait()
        self._reloader.retry()

    def _domain_of(self, found: KubernetesSettings | None) -> Domain:
        """The domain as the plugin `kubernetes` describes it; without it no name of the cluster is looked up."""
        config = self._config
        if found is None:
            return self._domain
        return Domain(
            found.domain,
            config.cluster_ranges,
            found.ttl,
            config.service,
            reverse=bool(found.reverse),
            closed=tuple(map(to_text, found.closed_reverse)),
            namespaces=found.namespaces,
            pods=found.pods != "disabled",
            ignore_empty=found.ignore_empty,
        )

    def _desired(self, found: Configuration, assembly: Assembly) -> dict[Hashable, Open]:
        """The listeners of a configuration, by what they are for."""
        config = self._config
        desired: dict[Hashable, Open] = {}
        for port, router in assembly.routers.items():
            if port not in self._responders:
                self._responders[port] = ClusterResponder(router, self._ready_answers)
                self._measured[port] = MeasuredResponder(self._responders[port], self._queries)
            shared = self._workers is not None
            desired["dns", port] = partial(listening, self._measured[port], config.addresses, port, shared=shared)
        pages: tuple[tuple[str, Pages, int | None, int], ...] = (
            ("health", _pages(lambda: True, "/health", "/healthz"), found.health_port, config.health_port),
            (
                "ready",
                _pages(self._is_ready, "/ready", "/readyz", obstacles=self._obstacles),
                found.ready_port,
                config.ready_port,
            ),
            ("metrics", {"/metrics": self._metrics}, found.metrics_port, config.metrics_port),
        )
        for name, content, chosen, default in pages:
            port = chosen or default
            desired[name, port] = partial(serving, content, [(address, port) for address in config.addresses])
        return desired

    def _is_ready(self) -> bool:
        return self._ground.readiness.ready

    def _obstacles(self) -> tuple[str, ...]:
        """Return why the API server cannot be followed, by kind."""
        return access_obstacles(self._informers())

    def _metrics(self) -> Page:
        families = (
            *self._queries.families(self._workers.numbers.counts() if self._workers is not None else ()),
            *of_forwarding(self._assembly),
            *of_configuration(self._reloader, len(self._ready_answers)),
            *of_informers(self._informers()),
            of_readiness(ready=self._is_ready()),
            *of_process(),
        )
        return Page(exposition(families), content_type=CONTENT_TYPE)

    async def _become_ready(self) -> None:
        """Wait until every kind has been listed once and is applied to the zone."""
        for informer in self._informers():
            await informer.synced.wait()
        await self._reloader.idle()
        self._reconciler.inputs_synced()
        await self._reconciler.settle()
        self._ground.readiness.ready = True
        self._ready_answers.clear()
        memory.release()
        log.info(
            "ready: %d Services in %d namespaces", len(self._view.services.objects), len(self._view.namespaces.objects)
        )


def _pages(holds: Callable[[], bool], *paths: str, obstacles: Callable[[], tuple[str, ...]] = tuple) -> Pages:
    """A probe under CoreDNS' name and under that of Kubernetes' components."""
    return dict.fromkeys(paths, lambda: verdict(holds(), obstacles()))


async def serve_objects(client: Client, config: DnsConfig) -> None:
    """Serve until cancelled, with an API client that is open already. Raises as Server.run."""
    await Server(client, config).run()


def main(config: DnsConfig) -> None:
    """Serve until SIGTERM or SIGINT, then longer. It reads no file but credentials and what a Corefile names."""
    tls_buffers.shrink()
    servers: list[Server] = []
    workers = Workers(config.workers - 1, config.addresses) if config.workers > 1 else None

    async def serve() -> None:
        async with Client(config.credentials, "podwire-dns", role=permissions.DNS) as client:
            servers.append(Server(client, config, workers))
            await servers[0].run()

    def linger() -> float:
        return servers[0].linger if servers else config.linger

    program.run(serve(), log_format=config.log_format, verbosity=config.verbosity, linger=linger)
