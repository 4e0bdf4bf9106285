"""Pass one HTTP request on and its answer back: a hop of the subresource `proxy`, also where it becomes a WebSocket.

Source: RFC 9110, section 7.6.1 (what is for one connection only); k8s.io/apimachinery `pkg/util/proxy`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import zlib
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from podwire.http import html_links

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

CONNECT_SECONDS = 5.0
MESSAGE_BYTES = 32 << 20
"""A WebSocket message of this size or more ends its connection with code 1009: each is held whole before it goes on.

The bound that upstream's own streams have (golang.org/x/net/websocket `DefaultMaxPayloadBytes`).
"""
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
        "expect",
    }
)
"""What is not passed on, and Expect: the client has sent the body here already."""

CREDENTIALS = frozenset({"authorization"})
"""A client's credentials are for the API server alone."""
HANDSHAKE = ("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol")


class Hop(msgspec.Struct, frozen=True):
    """Where a request goes next. `socket` is a unix socket in place of the URL's host.

    `prefix` is set before the paths of redirections and of links in HTML pages; empty leaves them.
    """

    url: str
    socket: str = ""
    prefix: str = ""

    tls: ssl.SSLContext | None = None


class Endpoint(msgspec.Struct, frozen=True):
    """An HTTP server: how its URLs begin, and how to connect.

    `socket` is a unix socket in place of the URL's host. `tls` None: its certificate is not checked.
    """

    url: str
    socket: str = ""
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return self.socket or self.url

    def hop(self, path: str, prefix: str = "") -> Hop:
        """The next hop of a request for `path`, which begins with a slash."""
        return Hop(f"{self.url}{path}", self.socket, prefix, self.tls)

    def connector(self) -> aiohttp.BaseConnector:
        """Connections to it."""
        return connector(self.hop("/"))


def connector(hop: Hop) -> aiohttp.BaseConnector:
    """Connections for one hop. Without `tls` certificates are not checked, as upstream: those of pods are unknown."""
    return aiohttp.UnixConnector(path=hop.socket) if hop.socket else aiohttp.TCPConnector(ssl=hop.tls or False)


def reason(error: Exception) -> str:
    """Why a hop failed, in the wording of Go's network errors, which clients of Kubernetes look for."""
    if not isinstance(error, aiohttp.ClientConnectorError):
        return str(error)
    host = f"[{error.host}]" if ":" in error.host else error.host
    return f"dial tcp {host}:{error.port}: connect: {os.strerror(error.os_error.errno or 0).lower()}"


def unreachable(error: Exception) -> str:
    """The message of an answer 503 for a backend that cannot be reached (apimachinery `pkg/util/proxy`)."""
    return f"error trying to reach service: {reason(error)}"


def onward(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that go on to the next hop."""
    connection = [value for name, value in headers.items() if name.lower() == "connection"]
    named = {part.strip().lower() for value in connection for part in value.split(",")}
    dropped = HOP_BY_HOP | named | CREDENTIALS
    kept = ((name, value) for name, value in headers.items() if name.lower() not in dropped)
    return CIMultiDict((name, value) for name, value in kept if not name.lower().startswith("impersonate-"))


async def pass_on(raw: web.BaseRequest, hop: Hop, body: bytes) -> web.StreamResponse:
    """Send the request to the next hop and pass its answer on as it comes.

    Raises OSError and aiohttp.ClientError before any of it.
    """
    upgraded = raw.headers.get("Upgrade", "").lower() == "websocket"
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    async with aiohttp.ClientSession(connector=connector(hop), timeout=timeout, auto_decompress=False) as session:
        # As it is: resolving the dots of a client's path would lead out of what the client was let into.
        target = URL(hop.url, encoded=True)
        return await (_messages(raw, session, target) if upgraded else _answer(raw, session, target, hop.prefix, body))


async def _answer(
    raw: web.BaseRequest, session: aiohttp.ClientSession, target: URL, prefix: str, body: bytes
) -> web.StreamResponse:
    sent = session.request(
        raw.method,
        target,
        data=body or None,
        headers=onward(raw.headers),
        allow_redirects=False,
        skip_auto_headers=("User-Agent", "Accept", "Content-Type", "Accept-Encoding"),
    )
    async with sent as source:
        headers = onward(source.headers)
        if prefix and source.headers.get("Location", "").startswith("/"):
            headers["Location"] = prefix + source.headers["Location"]
        links = _links(raw, source, prefix)
        if links is not None:
            headers.popall("Content-Encoding", None)
        response = web.StreamResponse(status=source.status, reason=source.reason, headers=headers)
        if source.content_length is not None and links is None:
            response.content_length = source.content_length
        await response.prepare(raw)
        try:
            if raw.method != "HEAD":
                async for part in source.content.iter_any():
                    await response.write(part if links is None else links.feed(part))
            await response.write_eof(b"" if links is None else links.end())
        except (ConnectionError, aiohttp.ClientError, zlib.error):
            if raw.transport is not None:  # what was cut off there is cut off here: it must not look whole
                raw.transport.abort()
        return response


def _links(raw: web.BaseRequest, source: aiohttp.ClientResponse, prefix: str) -> html_links.LinkRewriter | None:
    """What rewrites the links of this answer; None for redirections, as upstream, and for what is no page."""
    if raw.method == "HEAD" or "Location" in source.headers:
        return None
    kind, encoding = source.headers.get("Content-Type", ""), source.headers.get("Content-Encoding", "")
    return html_links.rewriter(kind, encoding, prefix)


async def _messages(raw: web.BaseRequest, session: aiohttp.ClientSession, target: URL) -> web.StreamResponse:
    offered = [one.strip() for one in raw.headers.get("Sec-WebSocket-Protocol", "").split(",") if one.strip()]
    headers = onward(raw.headers)
    for name in HANDSHAKE:
        headers.popall(name, None)
    async with session.ws_connect(target, protocols=offered, headers=headers, max_msg_size=MESSAGE_BYTES) as server:
        client = passed_on(server)
        await client.prepare(raw)
        await exchange(client, server)
        return client


def passed_on(server: aiohttp.ClientWebSocketResponse) -> web.WebSocketResponse:
    """The client's side of a WebSocket, with the subprotocol that the server chose."""
    protocols = [server.protocol] if server.protocol else ()
    return web.WebSocketResponse(protocols=protocols, max_msg_size=MESSAGE_BYTES, compress=False)


async def exchange(client: web.WebSocketResponse, server: aiohttp.ClientWebSocketResponse) -> None:
    """Pass messages on in both directions until one side closes, then close the other with the same code."""
    ends = [asyncio.create_task(_copy(client, server)), asyncio.create_task(_copy(server, client))]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await server.close(code=client.close_code or 1000)
    await client.close(code=server.close_code or 1000)


async def _copy(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    target: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        async for message in source:
            if message.type is aiohttp.WSMsgType.BINARY:
                await target.send_bytes(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await target.send_str(message.data)
