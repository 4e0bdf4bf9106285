"""Names that are not the cluster's: forwarded to upstream servers, checked against forgeries, kept for a short time.

- One query is under way for each question, however many clients send it: no birthday attack, and a loop of forwarders
  ends, as the question that comes back waits for itself until the deadline and then fails.
- A truncated reply is fetched again by TCP. Records that a question does not lead to are dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from podwire.dns.corefile.kubernetes import covered
from podwire.dns.exchange import Connections, Upstream, ask_by_datagram, mixed_case
from podwire.dns.fair_share import FairShare
from podwire.dns.message import RD, Query, Rcode
from podwire.dns.outcome import FAILED, REFUSED, Outcome, Relayed
from podwire.dns.records import INTERNET, RecordType
from podwire.dns.reply import Reply, addresses, checked
from podwire.dns.reply_cache import Key, ReplyCache, key_of
from podwire.dns.upstream_pool import UpstreamPool

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable

    from podwire.dns.corefile.forward import ForwardSettings

log = logging.getLogger(__name__)

TRY_SECONDS = 1.5
DEADLINE_SECONDS = 4.5
"""A little under the 5 s after which resolvers give up (resolv.conf(5), option timeout)."""
CHECK_SECONDS = 1.0

MOST_UNDER_WAY = 512
"""Questions of all clients; see FairShare for what one of them gets."""

Complaint = Callable[[Query, str], None]
"""Is called with a query that no server answered, and the reason."""


class Forwarder:
    """Forwards the names of one zone to its upstream servers."""

    def __init__(
        self,
        settings: ForwardSettings,
        servers: Sequence[Upstream],
        cache: ReplyCache | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        complain: Complaint = lambda _, __: None,
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._complain = complain
        self._connections = Connections(settings.expire, tls)
        self._under_way: dict[Key, asyncio.Task[Reply | None]] = {}
        self._waiting: Counter[str] = Counter()
        self._places = FairShare(settings.max_concurrent or MOST_UNDER_WAY)
        self.pool = UpstreamPool(
            servers, settings.policy, self._probe, max_fails=settings.max_fails, pause=settings.health_seconds
        )
        self.loop_found = False
        """Whether queries come back to this server: nothing more is forwarded then."""

    def close(self) -> None:
        """End checks, queries and connections."""
        self.pool.close()
        self._connections.close()
        for task in tuple(self._under_way.values()):
            task.cancel()

    def answer(self, query: Query, client: str) -> Outcome | Awaitable[Outcome] | None:
        """Return the reply where it is kept, or a coroutine that forwards; None for names that are not forwarded."""
        if not covered(query.key, (self._settings.zone,)) or covered(query.key, self._settings.without):
            return None
        kept = self._cache.find(query, asyncio.get_running_loop().time()) if self._cache is not None else None
        if kept is not None:
            return self._allowed(query, kept)
        if self.loop_found or not self.pool.servers:
            return FAILED if self.loop_found else REFUSED
        limit = self._settings.max_concurrent_client
        if limit and self._waiting[client] >= limit:
            return REFUSED
        return self._forwarded(query, client)

    async def resolve(self, query: Query, client: str = "") -> Reply | None:
        """The reply to a question; None where no server gave one in time. It counts for the client that is first."""
        key = key_of(query)
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._ask(query))
            self._under_way[key] = task
            self._places.take(client)
            task.add_done_callback(lambda _: self._ended(key, client))
        return await asyncio.shield(task)

    def _ended(self, key: Key, client: str) -> None:
        self._under_way.pop(key, None)
        self._places.give_back(client)

    async def _forwarded(self, query: Query, client: str) -> Outcome:
        if key_of(query) not in self._under_way and not self._places.has_room(client):
            return REFUSED
        self._waiting[client] += 1
        try:
            reply = await self.resolve(query, client)
        finally:
            self._waiting[client] -= 1
            if not self._waiting[client]:
                del self._waiting[client]
        if reply is None:
            stale = self._cache.stale(query, asyncio.get_running_loop().time()) if self._cache is not None else None
            return self._allowed(query, stale) if stale is not None else FAILED
        return self._allowed(query, Relayed(reply))

    def _allowed(self, query: Query, found: Relayed) -> Outcome:
        """Refuse private addresses under names that may not have them (DNS rebinding)."""
        exempt = self._settings.refuse_private
        if exempt is None or covered(query.key, exempt):
            return found
        if any(not ipaddress.ip_address(packed).is_global for packed in addresses(found.reply)):
            self._complain(query, "the answer has a private address, which refuse_private excludes")
            return REFUSED
        return found

    async def _ask(self, query: Query) -> Reply | None:
        last: Reply | None = None
        reason = "no upstream server"
        if self.pool.all_down and self._settings.failfast:
            self._complain(query, "all upstream servers are down")
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_SECONDS):
                # Twice round: a lost datagram is as likely as a lost server.
                for upstream in self.pool.order() * 2:
                    reply, reason = await self._try(upstream, query)
                    if reply is not None and reply.rcode in {Rcode.NOERROR, Rcode.NXDOMAIN}:
                        self.pool.succeeded(upstream)
                        return self._kept(query, reply)
                    last = reply or last
                    self.pool.failure(upstream, silent=reply is None)
        self._complain(query, reason)
        return self._kept(query, last) if last is not None else None

    def _kept(self, query: Query, reply: Reply) -> Reply:
        if self._cache is not None:
            self._cache.keep(query, reply, asyncio.get_running_loop().time())
        return reply

    async def _try(self, upstream: Upstream, query: Query) -> tuple[Reply | None, str]:
        """The reply of one server, or the reason why there is none."""
        exact = self._settings.randomize_case
        asked = mixed_case(query) if exact else query
        try:
            async with asyncio.timeout(TRY_SECONDS):
                if upstream.tls or self._settings.force_tcp:
                    reply = await self._connections.ask(upstream, asked, exact=exact)
                else:
                    reply = await ask_by_datagram(upstream, asked, exact=exact)
                    if reply.truncated:
                        reply = await self._connections.ask(upstream, asked, exact=exact)
        except (OSError, TimeoutError, EOFError) as error:
            log.debug("upstream %s gave no answer: %s", upstream, str(error) or "timeout")
            return None, f"{upstream}: {str(error) or 'timeout'}"
        found = checked(reply, query.question)
        if found is None:
            return None, f"{upstream}: the reply is broken"
        return found, f"{upstream}: answered {Rcode(found.rcode).name if found.rcode in set(Rcode) else found.rcode}"

    async def _probe(self, upstream: Upstream) -> bool:
        """Send a health check: any reply will do (plugin forward, health_check)."""
        name = self._settings.health_domain
        question = name + RecordType.NS.to_bytes(2, "big") + INTERNET.to_bytes(2, "big")
        query = Query(0, RD if self._settings.health_recursion else 0, name, RecordType.NS, question)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                if upstream.tls or self._settings.force_tcp:
                    await self._connections.ask(upstream, query)
                else:
                    await ask_by_datagram(upstream, query)
        except (OSError, TimeoutError, EOFError):
            return False
        return True
