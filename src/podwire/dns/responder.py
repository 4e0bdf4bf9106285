"""One message in, one answer out: by the server block whose zone is nearest to the name."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Iterable, Sequence

import msgspec

from podwire.dns.authority import Alias, Authority
from podwire.dns.block import AuthoritySource, Block, Readiness
from podwire.dns.listen import NO_CLIENT, Answer, Peer
from podwire.dns.message import STREAM_SIZE, Query, Rcode, Refusal, Response, parse, servfail
from podwire.dns.names import ROOT, suffixes
from podwire.dns.outcome import FAILED, REFUSED, Outcome, Relayed, joined, sent
from podwire.dns.query_log import Exchange
from podwire.dns.ready_answers import ReadyAnswers

log = logging.getLogger(__name__)

MOST_HOPS = 8
"""Names that one question may lead to in other blocks or zones."""


class Request(msgspec.Struct, frozen=True):
    """A query as it came: its bytes' number, its client, the most bytes of its answer, and when, in seconds."""

    query: Query
    size: int
    client: Peer
    limit: int
    began: float


class Router:
    """The blocks of one port, by zone."""

    def __init__(self) -> None:
        self._blocks: dict[bytes, Block] = {}

    def replace(self, blocks: Iterable[Block]) -> None:
        """Use these blocks from now on."""
        self._blocks = {zone: block for block in blocks for zone in block.zones}

    def resolve(self, query: Query, client: str) -> Outcome | Awaitable[Outcome]:
        """The outcome of a question; REFUSED where no block has a zone for it."""
        if query.hops > MOST_HOPS:
            return FAILED
        block = self.nearest(query.key)
        return block.resolve(query, client) if block is not None else REFUSED

    def follow(self, query: Query, alias: Alias, client: str) -> Outcome | Awaitable[Outcome]:
        """The alias together with what its target resolves to; where the target is not known, the alias alone."""
        onward = query.renamed(alias.target)
        found = self.resolve(onward, client)
        if isinstance(found, Response | Relayed):
            return _joined(query, alias, onward, found)
        return self._joined_later(query, alias, onward, found)

    async def _joined_later(self, query: Query, alias: Alias, onward: Query, found: Awaitable[Outcome]) -> Outcome:
        return _joined(query, alias, onward, await found)

    def nearest(self, name: bytes) -> Block | None:
        """The block with the longest zone that has a folded name."""
        if len(self._blocks) == 1 and ROOT in self._blocks:
            return self._blocks[ROOT]
        for _, tail in suffixes(name):
            block = self._blocks.get(tail)
            if block is not None:
                return block
        return None


def _joined(query: Query, alias: Alias, onward: Query, found: Outcome) -> Outcome:
    if found is REFUSED:
        return Response(Rcode.NOERROR, alias.records, authoritative=True)
    return joined(query, alias, onward, found)


class ClusterResponder:
    """Answers the messages of a listener: from the table of ready answers, else by the blocks."""

    def __init__(self, router: Router, ready_answers: ReadyAnswers) -> None:
        self._router = router
        self._ready_answers = ready_answers

    def use(self, router: Router) -> None:
        """Answer by these blocks from now on."""
        self._router = router

    def ready(self, raws: Sequence[bytes], now: float) -> Sequence[bytes | None]:
        """For each message its answer, where these bytes were answered before and nothing changed."""
        return self._ready_answers.find(raws, now)

    def answer(self, raw: bytes, *, stream: bool, client: Peer = NO_CLIENT) -> Answer | Awaitable[Answer]:
        """The answer to one message; None for silence; a coroutine where a query must be forwarded."""
        query = parse(raw)
        if query is None:
            return None
        if isinstance(query, Refusal):
            return query.wire
        request = Request(query, len(raw), client, STREAM_SIZE if stream else query.size, time.monotonic())
        version = self._ready_answers.version
        block = self._router.nearest(query.key)
        found = block.resolve(query, client[0]) if block is not None else REFUSED
        if not isinstance(found, Response | Relayed):
            return self._later(request, block, found)
        logged = block is not None and block.query_log is not None
        if not stream and not logged and version == self._ready_answers.version:
            kept = self._ready_answers.keep(raw, query, found, request.limit, request.began)
            if kept is not None:
                return kept
        return self._sent(request, block, found)

    def failed(self, raw: bytes) -> bytes | None:
        """SERVFAIL for a query that is not processed; None for what is no query."""
        return servfail(raw)

    async def _later(self, request: Request, block: Block | None, found: Awaitable[Outcome]) -> bytes:
        return self._sent(request, block, await found)

    def _sent(self, request: Request, block: Block | None, outcome: Outcome) -> bytes:
        answer = sent(request.query, outcome, request.limit)
        if block is not None and block.query_log is not None:
            stream = request.limit == STREAM_SIZE
            block.query_log.record(
                Exchange(
                    request.query,
                    answer,
                    request.client[0],
                    request.client[1],
                    "tcp" if stream else "udp",
                    request.size,
                    time.monotonic() - request.began,
                )
            )
        return answer


def zone_responder(authority: Authority, *, ready: bool = True) -> ClusterResponder:
    """A responder of one zone alone; `ready` returns whether its data are whole."""
    router = Router()
    router.replace([Block((ROOT,), (AuthoritySource(authority, Readiness(ready=ready)),), router.follow)])
    return ClusterResponder(router, ReadyAnswers(0))
