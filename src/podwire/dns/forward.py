"""Names that are not the cluster's: forwarded to upstream servers, checked against forgeries, cached for a short time.

- Every query goes out from a socket of its own: a random number and a random port (RFC 5452); the socket is connected,
  so that the kernel drops what comes from elsewhere. A reply that does not match is ignored, and the wait goes on.
- One query is under way for each question, however many clients send it: no birthday attack, and a loop of forwarders
  ends, as the question that comes back waits for itself until the deadline and then fails.
- A truncated reply is fetched again by TCP.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import secrets
import socket
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from podwire.dns.message import CD, RD, Query, Rcode, encode_query
from podwire.dns.names import IPAddress
from podwire.dns.reply import Reply, lifetime, parse_reply

log = logging.getLogger(__name__)

TRY_SECONDS = 1.5
DEADLINE_SECONDS = 4.5
"""A little under the 5 s after which resolvers give up (resolv.conf(5), option timeout)."""

MOST_UNDER_WAY = 512
MOST_KEPT = 2048
LARGEST_KEPT = 4096
LONGEST_KEPT_SECONDS = 30

Key = tuple[bytes, int, bool, bool, bool]
"""All that changes an answer: folded name, type, and the bits DO, CD and RD (GHSA-m9w6-wp3h-vq8g). The class is IN."""


class Upstream(msgspec.Struct, frozen=True):
    """The address of an upstream server."""

    address: IPAddress
    port: int = 53

    @classmethod
    def parse(cls, text: str) -> Upstream:
        """`1.1.1.1`, `1.1.1.1:53`, `fd00::1`, `[fd00::1]:53`. Raises ValueError."""
        host, port = text, "53"
        if text.startswith("["):
            host, _, port = text[1:].partition("]:")
        elif text.count(":") == 1:
            host, _, port = text.partition(":")
        try:
            return cls(ipaddress.ip_address(host.removesuffix("]")), int(port or "53"))
        except ValueError:
            raise ValueError(
                f"upstream {text!r}: must be an IP address, or one with a port as in [fd00::1]:53"
            ) from None


class Kept(msgspec.Struct, frozen=True):
    """A reply and when it came and ends, in the event loop's seconds."""

    reply: Reply
    came: float
    ends: float


class Forwarder:
    """Asks upstream servers in order; one that failed goes behind the others."""

    def __init__(self, upstreams: Sequence[Upstream]) -> None:
        self._upstreams = list(upstreams)
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._under_way: dict[Key, asyncio.Task[Reply | None]] = {}
        self.answered = dict.fromkeys(map(_name, upstreams), 0)
        self.failed = dict.fromkeys(map(_name, upstreams), 0)
        """How often each server answered, and how often it failed: no answer in time, or one such as SERVFAIL."""

    def kept(self, query: Query) -> tuple[Reply, int] | None:
        """A reply that is still good, and its age in whole seconds."""
        found = self._kept.get(_key(query))
        now = asyncio.get_running_loop().time()
        if found is None or found.ends <= now:
            return None
        return found.reply, int(now - found.came)

    async def resolve(self, query: Query) -> tuple[Reply, int] | None:
        """The reply to a question and its age; None where no server gave one in time."""
        kept = self.kept(query)
        if kept is not None:
            return kept
        key = _key(query)
        task = self._under_way.get(key)
        if task is None:
            if not self._upstreams or len(self._under_way) >= MOST_UNDER_WAY:
                return None
            task = asyncio.create_task(self._ask(query))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        reply = await asyncio.shield(task)
        return (reply, 0) if reply is not None else None

    async def _ask(self, query: Query) -> Reply | None:
        last: Reply | None = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_SECONDS):
                # Twice round: a lost datagram is as likely as a lost server.
                for upstream in tuple(self._upstreams) * 2:
                    reply = await self._try(upstream, query)
                    if reply is not None:
                        last = reply
                        if reply.rcode in {Rcode.NOERROR, Rcode.NXDOMAIN}:
                            self.answered[_name(upstream)] += 1
                            self._keep(query, reply)
                            return reply
                    self.failed[_name(upstream)] += 1
                    self._move_back(upstream)
        return last

    async def _try(self, upstream: Upstream, query: Query) -> Reply | None:
        try:
            async with asyncio.timeout(TRY_SECONDS):
                reply = await ask_by_datagram(upstream, query)
                return await ask_by_stream(upstream, query) if reply.truncated else reply
        except (OSError, TimeoutError, EOFError) as error:
            log.debug(
                "upstream %s port %d gave no answer: %s", upstream.address, upstream.port, str(error) or "timeout"
            )
            return None

    def _move_back(self, upstream: Upstream) -> None:
        if self._upstreams[0] == upstream:
            self._upstreams.append(self._upstreams.pop(0))

    def _keep(self, query: Query, reply: Reply) -> None:
        seconds = lifetime(reply, LONGEST_KEPT_SECONDS)
        if not seconds or len(reply.raw) > LARGEST_KEPT:
            return
        now = asyncio.get_running_loop().time()
        key = _key(query)
        self._kept[key] = Kept(reply, now, now + seconds)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def _name(upstream: Upstream) -> str:
    bracketed = f"[{upstream.address}]" if upstream.address.version == 6 else str(upstream.address)
    return f"{bracketed}:{upstream.port}"


def _key(query: Query) -> Key:
    return query.key, query.type, query.dnssec, bool(query.flags & CD), bool(query.flags & RD)


async def ask_by_datagram(upstream: Upstream, query: Query) -> Reply:
    """One question by UDP; waits until the true reply comes or it is cancelled. Raises OSError."""
    loop = asyncio.get_running_loop()
    identifier = secrets.randbits(16)
    family = socket.AF_INET if upstream.address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        channel.connect((str(upstream.address), upstream.port))
        channel.send(encode_query(identifier, query))
        while True:
            reply = parse_reply(await loop.sock_recv(channel, 65535))
            if reply is not None and reply.answers(identifier, query.question):
                return reply


async def ask_by_stream(upstream: Upstream, query: Query) -> Reply:
    """One question by TCP (RFC 7766). Raises OSError, and EOFError where the server hangs up or talks nonsense."""
    identifier = secrets.randbits(16)
    reader, writer = await asyncio.open_connection(str(upstream.address), upstream.port)
    try:
        message = encode_query(identifier, query)
        writer.write(len(message).to_bytes(2, "big") + message)
        size = int.from_bytes(await reader.readexactly(2), "big")
        reply = parse_reply(await reader.readexactly(size))
    finally:
        writer.close()
    if reply is None or not reply.answers(identifier, query.question):
        raise EOFError("the reply by TCP does not match the query")
    return reply
