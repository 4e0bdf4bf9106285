"""The server blocks of a Corefile at work: built whole from a configuration, then used in place of those before."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator

import msgspec

from podwire.dns.authority import Authority
from podwire.dns.block import AuthoritySource, Block, Readiness, Source
from podwire.dns.corefile.configuration import BlockSettings, Configuration
from podwire.dns.corefile.forward import ForwardSettings
from podwire.dns.corefile.kubernetes import KubernetesSettings
from podwire.dns.forward import Forwarder
from podwire.dns.hosts import HostsSource
from podwire.dns.loop_check import LoopCheck
from podwire.dns.message import Query
from podwire.dns.names import to_text, to_wire
from podwire.dns.pods import PodAddressIndex
from podwire.dns.query_log import FailureLog, QueryLog
from podwire.dns.ready_answers import ReadyAnswers
from podwire.dns.reply_cache import ReplyCache
from podwire.dns.responder import Router
from podwire.dns.rewriting import Rewriter
from podwire.dns.sink import Zone
from podwire.dns.templates import TemplateSource
from podwire.dns.upstreams import upstreams


class Ground(msgspec.Struct, frozen=True):
    """What all blocks share: the zone and whether it is whole, the pods, the table of ready answers."""

    zone: Zone
    readiness: Readiness
    pods: PodAddressIndex
    ready_answers: ReadyAnswers
    complain: Callable[[str], None]
    """Is called with what an operator must know, such as a loop."""


class PodSearchLists:
    """The search lists of pods with dnsPolicy ClusterFirst, by their addresses."""

    def __init__(self, pods: PodAddressIndex, domain: str) -> None:
        self._pods = pods
        self._tails = (to_wire(f"svc.{domain}").lower(), to_wire(domain).lower())

    def searches(self, client: str) -> tuple[bytes, ...]:
        """The domains; none for a client that is no pod."""
        namespace = self._pods.namespace(client)
        if not namespace:
            return ()
        return (to_wire(namespace)[:-1] + self._tails[0], *self._tails)


class Assembly:
    """All blocks by port, with what runs beside them: checks of upstream servers, hosts files, loop checks.

    The constructor raises ValueError and OSError for what cannot be used: an upstream's address or file, a certificate.
    """

    def __init__(self, configuration: Configuration, ground: Ground) -> None:
        self.configuration = configuration
        self.forwarders: list[Forwarder] = []
        self.caches: list[ReplyCache] = []
        self.routers = {block.port: Router() for block in configuration.blocks}
        self._ground = ground
        self._hosts: list[HostsSource] = []
        self._loops: list[LoopCheck] = []
        blocks: dict[int, list[Block]] = {port: [] for port in self.routers}
        for settings in configuration.blocks:
            blocks[settings.port].append(self._block(settings, self.routers[settings.port]))
        for port, router in self.routers.items():
            router.replace(blocks[port])

    async def run(self) -> None:
        """Follow hosts files and look for loops, until cancelled; then close what is open."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for source in self._hosts:
                    tasks.create_task(source.follow())
                for loop in self._loops:
                    tasks.create_task(loop.check())
                await asyncio.Event().wait()
        finally:
            for forwarder in self.forwarders:
                forwarder.close()

    def _block(self, settings: BlockSettings, router: Router) -> Block:
        lists = None
        if settings.autopath and settings.kubernetes is not None:
            lists = PodSearchLists(self._ground.pods, settings.kubernetes.domain)
        return Block(
            settings.zones,
            tuple(self._sources(settings)),
            router.follow,
            rewriter=Rewriter(settings.rewrites) if settings.rewrites else None,
            search_lists=lists,
            query_log=QueryLog(settings.logs) if settings.logs else None,
        )

    def _sources(self, settings: BlockSettings) -> Iterator[Source]:
        yield from map(TemplateSource, settings.templates)
        for hosts in settings.hosts:
            source = HostsSource(hosts, self._ground.ready_answers.clear, turned=settings.turned)
            self._hosts.append(source)
            yield source
        if settings.kubernetes is not None:
            authority = self._authority(settings.kubernetes, turned=settings.turned)
            yield AuthoritySource(authority, self._ground.readiness)
        for forward in settings.forwards:
            forwarder = self._forwarder(settings, forward)
            if settings.loop_checked and forwarder.pool.servers:
                self._loops.append(LoopCheck(settings.zones[0], forwarder, self._ground.complain))
                yield self._loops[-1]
            yield forwarder

    def _authority(self, settings: KubernetesSettings, *, turned: bool) -> Authority:
        return Authority(
            self._ground.zone,
            settings.ttl,
            turned=turned,
            fallthrough=settings.fallthrough,
            pod_exists=self._ground.pods.exists if settings.pods == "verified" else lambda _, __: True,
        )

    def _forwarder(self, settings: BlockSettings, forward: ForwardSettings) -> Forwarder:
        cache = ReplyCache(settings.cache) if settings.cache is not None else None
        if cache is not None:
            self.caches.append(cache)
        try:
            servers = upstreams(forward.upstreams, forward.tls_servername)
            tls = _context(forward) if any(server.tls for server in servers) else None
        except (ValueError, OSError) as error:
            raise ValueError(f"forward {to_text(forward.zone)}: {error}") from None
        failures = FailureLog(settings.errors) if settings.errors is not None else None

        def complain(query: Query, reason: str) -> None:
            if failures is not None:
                failures.record(query, reason, asyncio.get_running_loop().time())

        forwarder = Forwarder(forward, servers, cache, tls=tls, complain=complain)
        self.forwarders.append(forwarder)
        return forwarder


def _context(forward: ForwardSettings) -> ssl.SSLContext:
    """The TLS settings of `tls [CERTIFICATE KEY] [AUTHORITIES]`. Raises ValueError with the files at fault."""
    words = forward.tls or ()
    authorities = words[-1] if len(words) in {1, 3} else None
    own, reading = words[:2] if len(words) >= 2 else (), authorities
    try:
        context = ssl.create_default_context(cafile=authorities)
        if own:
            reading = " ".join(own)
            context.load_cert_chain(*own)
    except OSError as error:  # it does not name the file; ssl.SSLError is one
        raise ValueError(f"tls {reading}: {error.strerror or error}") from None
    return context
