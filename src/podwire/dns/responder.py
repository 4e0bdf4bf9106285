"""One message in, one answer out: the cluster's own names from the zone, all others from upstream servers."""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec

from podwire.dns.authority import Alias, Authority
from podwire.dns.forward import Forwarder
from podwire.dns.message import RD, STREAM_SIZE, Query, Rcode, Refusal, Response, encode, parse
from podwire.dns.reply import chased, replay


class ClusterResponder:
    """Answers from an authority and, where there is one, a forwarder.

    Until `ready` is set the zone is not whole, so that names of ours get SERVFAIL: clients try again, and no client
    learns that a name is unknown which is only not yet known.
    """

    def __init__(self, authority: Authority, forwarder: Forwarder | None) -> None:
        self.ready = False
        self._authority = authority
        self._forwarder = forwarder

    def answer(self, raw: bytes, *, stream: bool) -> bytes | Awaitable[bytes | None] | None:
        """The answer to one message; None for silence; a coroutine where a query must be forwarded."""
        query = parse(raw)
        if query is None:
            return None
        if isinstance(query, Refusal):
            return query.wire
        limit = STREAM_SIZE if stream else query.size
        if not self.ready and self._authority.owns(query):
            return encode(query, Response(Rcode.SERVFAIL), limit)
        found = self._authority.answer(query)
        if isinstance(found, Response):
            return encode(query, found, limit)
        if self._forwarder is None:
            records = found.records if found is not None else ()
            return encode(query, Response(Rcode.NOERROR if records else Rcode.REFUSED, records), limit)
        if found is not None:
            return self._chase(self._forwarder, query, found, limit)
        kept = self._forwarder.kept(query)
        if kept is not None:
            return replay(kept[0], query, kept[1], limit)
        return self._forward(self._forwarder, query, limit)

    def overloaded(self, raw: bytes) -> bytes | None:
        """SERVFAIL for a query that cannot wait for an upstream server; None for what is no query."""
        query = parse(raw)
        return encode(query, Response(Rcode.SERVFAIL), query.size) if isinstance(query, Query) else None

    async def _forward(self, forwarder: Forwarder, query: Query, limit: int) -> bytes:
        found = await forwarder.resolve(query)
        if found is None:
            return encode(query, Response(Rcode.SERVFAIL), limit)
        return replay(found[0], query, found[1], limit)

    async def _chase(self, forwarder: Forwarder, query: Query, alias: Alias, limit: int) -> bytes:
        """The alias and the upstream reply for its target; the alias alone where none answers."""
        onward = msgspec.structs.replace(
            query,
            name=alias.target,
            question=alias.target + query.question[-4:],
            flags=query.flags | RD,
        )
        found = await forwarder.resolve(onward)
        if found is None:
            return encode(query, Response(Rcode.SERVFAIL, alias.records), limit)
        reply, age = found
        rcode = Rcode(reply.rcode) if reply.rcode in {Rcode.NOERROR, Rcode.NXDOMAIN} else Rcode.SERVFAIL
        records = alias.records + chased(reply, age, alias.target, query)
        return encode(query, Response(rcode, records), limit)
