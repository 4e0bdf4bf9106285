"""One server block at work: its plugins in their order, each of which answers a question or leaves it to the next."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import msgspec

from podwire.dns.authority import Alias, Authority
from podwire.dns.corefile.rewrite import RewriteRule
from podwire.dns.message import QUESTION_POINTER, Query, Rcode, Response, record
from podwire.dns.names import ROOT, suffixes
from podwire.dns.outcome import FAILED, REFUSED, Found, Outcome, Relayed, joined
from podwire.dns.query_log import QueryLog
from podwire.dns.records import RecordType
from podwire.dns.rewriting import Rewriter

COMPLETED = frozenset({RecordType.A, RecordType.AAAA})
"""Types of questions whose search list is followed here."""
COMPLETED_TTL = 5


class Source(Protocol):
    """A plugin that answers questions."""

    def answer(self, query: Query, client: str) -> Found:
        """The answer, now or later; None: the next plugin is used. `client` is an address."""
        ...


class Readiness:
    """Whether all of the cluster's objects are known and applied."""

    def __init__(self, *, ready: bool = False) -> None:
        self.ready = ready


class AuthoritySource:
    """The cluster's names.

    Until all objects are known a name of ours is SERVFAIL: clients try again, and no client learns that a name is
    unknown which is only not yet known.
    """

    def __init__(self, authority: Authority, readiness: Readiness) -> None:
        self._authority = authority
        self._readiness = readiness

    def answer(self, query: Query, client: str) -> Found:  # noqa: ARG002 of all plugins
        """The answer of the zone."""
        if not self._readiness.ready and self._authority.owns(query):
            return FAILED
        return self._authority.answer(query)


class SearchLists(Protocol):
    """The search list of a client: what `autopath` completes names with."""

    def searches(self, client: str) -> tuple[bytes, ...]:
        """The domains in wire form, in order, the first one being that of the client's namespace; none if unknown."""
        ...


class Follow(Protocol):
    """What continues at the name that an alias refers to."""

    def __call__(self, query: Query, alias: Alias, client: str) -> Outcome | Awaitable[Outcome]:
        """The alias together with what its target resolves to."""
        ...


class Block:
    """The sources of a block behind its rewriting and search-path completion."""

    def __init__(
        self,
        zones: tuple[bytes, ...],
        sources: tuple[Source, ...],
        follow: Follow,
        *,
        rewriter: Rewriter | None = None,
        search_lists: SearchLists | None = None,
        query_log: QueryLog | None = None,
    ) -> None:
        self.zones = zones
        self.query_log = query_log
        self._sources = sources
        self._follow = follow
        self._rewriter = rewriter
        self._search_lists = search_lists

    def resolve(self, query: Query, client: str) -> Outcome | Awaitable[Outcome]:
        """The answer of the first plugin that has one; REFUSED where none has."""
        if self._search_lists is None or query.type not in COMPLETED:
            return self._answer(query, client)
        searches = self._search_lists.searches(client)
        found = self._answer(query, client)
        base = _without(query.name, searches[0]) if searches else None
        if base is None or (isinstance(found, Response) and found.rcode != Rcode.NXDOMAIN):
            return msgspec.structs.replace(found, seconds=0) if isinstance(found, Response) else found
        return self._completed(query, client, found, [base + tail for tail in (*searches[1:], ROOT)])

    async def _completed(
        self, query: Query, client: str, found: Outcome | Awaitable[Outcome], names: list[bytes]
    ) -> Outcome:
        """The answer to the first of these names that exists, behind an alias; else the one to the name itself."""
        first = found if isinstance(found, Response | Relayed) else await found
        if rcode_of(first) != Rcode.NXDOMAIN:
            return first
        for name in names:
            onward = query.renamed(name)
            found = self._answer(onward, client)
            outcome = found if isinstance(found, Response | Relayed) else await found
            if rcode_of(outcome) == Rcode.NOERROR:
                alias = record(QUESTION_POINTER, RecordType.CNAME, COMPLETED_TTL, name)
                return joined(query, Alias((alias,), name), onward, outcome)
        return first if isinstance(first, Relayed) else msgspec.structs.replace(first, seconds=0)

    def _answer(self, query: Query, client: str) -> Outcome | Awaitable[Outcome]:
        rewritten = self._rewriter.apply(query) if self._rewriter is not None else None
        if rewritten is None or self._rewriter is None:
            return self._first(query, client)
        other, rules = rewritten
        found = self._first(other, client)
        if isinstance(found, Response | Relayed):
            return self._rewriter.restored(query, other, rules, found)
        return _restored_later(self._rewriter, query, other, rules, found)

    def _first(self, query: Query, client: str) -> Outcome | Awaitable[Outcome]:
        for source in self._sources:
            found = source.answer(query, client)
            if isinstance(found, Alias):
                return self._follow(query, found, client)
            if found is not None:
                return found
        return REFUSED


async def _restored_later(
    rewriter: Rewriter, query: Query, other: Query, rules: tuple[RewriteRule, ...], found: Awaitable[Outcome]
) -> Outcome:
    return rewriter.restored(query, other, rules, await found)


def _without(name: bytes, search: bytes) -> bytes | None:
    """The name without this search domain and without its end; None where it is not below it, or is in a longer one."""
    tail = search
    if not name.lower().endswith(tail) or len(name) == len(tail):
        return None
    place = len(name) - len(tail)
    return name[:place] if any(start == place for start, _ in suffixes(name)) else None


def rcode_of(outcome: Outcome) -> int:
    """The response code."""
    return outcome.rcode if isinstance(outcome, Response) else outcome.reply.rcode
