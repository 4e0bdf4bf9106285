"""One query to one upstream server: by UDP, TCP or TLS. Every reply is compared with its query.

- By UDP each query has a random number and a socket, hence a port, of its own (RFC 5452); the socket is connected, so
  that the kernel drops what comes from elsewhere. A reply that does not match is ignored, and the wait goes on.
- Connections by TCP and TLS carry one query at a time and are kept for the next one (RFC 7766, RFC 7858).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl

import msgspec

from podwire.dns.message import Query, encode_query
from podwire.dns.names import IPAddress
from podwire.dns.reply import Reply, parse_reply

MOST_IDLE = 8
"""Connections to one server that wait for a query."""
TLS_PORT = 853


class Upstream(msgspec.Struct, frozen=True):
    """The address of an upstream server; `server_name` is the one its certificate must have."""

    address: IPAddress
    port: int = 53
    tls: bool = False
    server_name: str = ""

    def __str__(self) -> str:
        bracketed = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{'tls://' if self.tls else ''}{bracketed}:{self.port}"


def mixed_case(query: Query) -> Query:
    """The question with its letters turned at random (draft-vixie-dnsext-dns0x20)."""
    letters = secrets.randbits(8 * len(query.name)).to_bytes(len(query.name), "big")
    name = bytes(
        byte ^ 0x20 if letter & 1 and (0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A) else byte
        for byte, letter in zip(query.name, letters, strict=True)
    )
    return msgspec.structs.replace(query, name=name, question=name + query.question[-4:])


def matches(reply: Reply | None, identifier: int, query: Query, *, exact: bool) -> bool:
    """Whether this is the reply to that query; `exact`: with the same letters."""
    if reply is None or not reply.answers(identifier, query.question):
        return False
    return not exact or reply.question == query.question


async def ask_by_datagram(upstream: Upstream, query: Query, *, exact: bool = False) -> Reply:
    """One question by UDP; waits until the true reply comes or it is cancelled. Raises OSError."""
    loop = asyncio.get_running_loop()
    identifier = secrets.randbits(16)
    family = socket.AF_INET if upstream.address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
        channel.connect((str(upstream.address), upstream.port))
        channel.send(encode_query(identifier, query))
        while True:
            reply = parse_reply(await loop.sock_recv(channel, 65535))
            if reply is not None and matches(reply, identifier, query, exact=exact):
                return reply


class Connections:
    """Connections to upstream servers, opened when needed: one query at a time, idle ones not used after `expire` s."""

    def __init__(self, expire: float, context: ssl.SSLContext | None = None) -> None:
        self._expire = expire
        self._context = context
        self._idle: dict[Upstream, list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]]] = {}

    async def ask(self, upstream: Upstream, query: Query, *, exact: bool = False) -> Reply:
        """One question. Raises OSError, and EOFError where the server hangs up or talks nonsense."""
        now = asyncio.get_running_loop().time()
        waiting = self._idle.setdefault(upstream, [])
        while waiting:
            since, reader, writer = waiting.pop()
            if since + self._expire > now and not writer.is_closing():
                with contextlib.suppress(OSError, EOFError):
                    # The server may have closed it meanwhile: then a new one is opened.
                    return await self._exchange(upstream, query, reader, writer, exact=exact)
            else:
                writer.close()
        reader, writer = await self._open(upstream)
        return await self._exchange(upstream, query, reader, writer, exact=exact)

    def close(self) -> None:
        """Close all connections that wait."""
        for waiting in self._idle.values():
            for _, _, writer in waiting:
                writer.close()
        self._idle.clear()

    async def _open(self, upstream: Upstream) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not upstream.tls:
            return await asyncio.open_connection(str(upstream.address), upstream.port)
        name = upstream.server_name or str(upstream.address)
        return await asyncio.open_connection(
            str(upstream.address), upstream.port, ssl=self._context, server_hostname=name
        )

    async def _exchange(
        self,
        upstream: Upstream,
        query: Query,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        exact: bool,
    ) -> Reply:
        identifier = secrets.randbits(16)
        done = False
        try:
            message = encode_query(identifier, query)
            writer.write(len(message).to_bytes(2, "big") + message)
            size = int.from_bytes(await reader.readexactly(2), "big")
            reply = parse_reply(await reader.readexactly(size))
            if reply is None or not matches(reply, identifier, query, exact=exact):
                raise EOFError("the reply by TCP does not match the query")
            done = True
            return reply
        finally:
            waiting = self._idle.setdefault(upstream, [])
            if done and self._expire and len(waiting) < MOST_IDLE:
                waiting.append((asyncio.get_running_loop().time(), reader, writer))
            else:
                writer.close()
