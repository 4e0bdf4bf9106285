"""HTTP on one side, the Api on the other: reads requests, sends answers, watch streams and relays."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import web
from msgspec.structs import replace

from podwire.apiserver.access.impersonation import HEADERS as IMPERSONATION
from podwire.apiserver.answers import Answer
from podwire.apiserver.base import status
from podwire.apiserver.base.authentication import certificate_user
from podwire.apiserver.base.requests import Request, Response, json_response
from podwire.apiserver.http.buffered_response import BufferedResponse, warning_values
from podwire.apiserver.http.connections import Connection, Connections
from podwire.apiserver.http.tls_listener import TlsListener
from podwire.apiserver.http.watch_writer import Rounds, WatchStream
from podwire.apiserver.reads.watcher import WatchAnswer
from podwire.apiserver.streams import proxy_target
from podwire.apiserver.streams.relays import KubeletRefusal, Proxied, Relay, relay_body, relay_messages
from podwire.http.limits import LARGEST_BODY
from podwire.http.reverse_proxy import pass_on, unreachable

if TYPE_CHECKING:
    import ssl

    from podwire.apiserver.handlers.router import Api
    from podwire.apiserver.reads.watch_hub import Hub
    from podwire.apiserver.storage.store import Store

log = logging.getLogger(__name__)

BODY_SECONDS = 60.0
"""How long a body may take, as long as upstream lets a whole request."""

SHUTDOWN_SECONDS = 2.0
SMALLEST_COMPRESSED = 128 * 1024
"""Bytes of an answer from which on it is compressed (k8s.io/apiserver `handlers/responsewriters/writers.go`)."""


class Server:
    """Listeners that answer with one Api. Start it, add listeners at any time, stop it."""

    def __init__(self, api: Api, store: Store, hub: Hub, tls: ssl.SSLContext) -> None:
        self._api = api
        self._store = store
        self._hub = hub
        self._tls = tls
        self._rounds = Rounds()
        self._connections = Connections(self._handle, handler_cancellation=True)
        self._runner = web.ServerRunner(self._connections, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
        self._listeners: list[TlsListener] = []

    async def start(self) -> None:
        """Be ready for listeners."""
        await self._runner.setup()

    def listen(self, host: str, port: int) -> None:
        """Listen on an address of this machine; raises OSError when it is taken or not there."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.add_listener(socket.create_server((host, port), family=family))

    def add_listener(self, listener: socket.socket) -> None:
        """Listen on a socket that is bound already, also one of another network namespace."""
        accepting = TlsListener(listener, self._tls, self._connections)
        accepting.start()
        self._listeners.append(accepting)

    async def stop(self) -> None:
        """End watch streams cleanly, finish what is being answered, close all."""
        self._hub.end()
        for listener in self._listeners:
            listener.close()
        await self._runner.cleanup()

    async def _handle(self, raw: web.BaseRequest) -> web.StreamResponse:
        if isinstance(raw.protocol, Connection):
            raw.protocol.request_came()
        try:
            request = await _read_request(raw)
        except status.StatusError as refusal:
            return _refused(raw, refusal)
        answer = await self._api.handle(request)
        return await self._send(raw, answer)

    async def _send(self, raw: web.BaseRequest, answer: Answer) -> web.StreamResponse:
        match answer:
            case Response():
                return BufferedResponse.of(raw, await _compressed(raw, answer))
            case WatchAnswer():
                return await self._send_watch(raw, answer)
            case Relay():
                return await _send_relay(raw, answer)
            case Proxied():
                return await _send_proxied(raw, answer)

    async def _send_watch(self, raw: web.BaseRequest, answer: WatchAnswer) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        response.headers.extend(("Warning", text) for text in warning_values(answer.warnings))
        response.enable_chunked_encoding()
        try:
            await response.prepare(raw)
            await WatchStream(raw, response, answer.watcher, self._rounds).run(lambda: self._store.version)
        finally:
            self._hub.discard(answer.storage, answer.watcher)
        return response


async def _send_relay(raw: web.BaseRequest, answer: Relay) -> web.StreamResponse:
    if answer.streams and not _same_origin(raw):
        return _refused(raw, _foreign_page())
    try:
        return await (relay_messages(raw, answer) if answer.streams else relay_body(raw, answer))
    except KubeletRefusal as error:
        return BufferedResponse.of(raw, Response(error.body, error.code))


async def _send_proxied(raw: web.BaseRequest, answer: Proxied) -> web.StreamResponse:
    upgraded = raw.headers.get("Upgrade", "").lower() == "websocket"
    if upgraded and not _same_origin(raw):
        return _refused(raw, _foreign_page())
    try:
        return await pass_on(raw, answer.hop, answer.body)
    except (OSError, aiohttp.ClientError) as error:
        return _refused(raw, proxy_target.unavailable(unreachable(error)))


async def _read_request(raw: web.BaseRequest) -> Request:
    """The whole request; raises StatusError 400, 413 or 504."""
    try:
        if raw.content.is_eof():  # small bodies come with their head
            body = _within_limit(raw.content.read_nowait())
        else:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read_body(raw)
    except TimeoutError:
        raise status.too_slow(f"the body did not come within {BODY_SECONDS:g} s") from None
    except web.RequestPayloadError as error:
        raise status.bad_request(f"the body cannot be read: {error}") from None
    try:
        return _request(raw, body)
    except ValueError as error:
        raise status.bad_request(f"the query cannot be read: {error}") from None


def _within_limit(body: bytes) -> bytes:
    if len(body) > LARGEST_BODY:
        raise _too_large()
    return body


def _too_large() -> status.StatusError:
    return status.too_large(f"the body is larger than the limit of {LARGEST_BODY} bytes")


async def _read_body(raw: web.BaseRequest) -> bytes:
    """The whole body; raises StatusError 413 without reading more than the limit."""
    parts, size = [], 0
    if (raw.content_length or 0) <= LARGEST_BODY:
        async for part in raw.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > LARGEST_BODY:
                break
        else:
            return b"".join(parts)
    raise _too_large()


def _request(raw: web.BaseRequest, body: bytes) -> Request:
    path, _, query_text = raw.raw_path.partition("?")
    query: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(query_text, keep_blank_values=True) if query_text else ():
        query[name] = (*query.get(name, ()), value)
    certificate = raw.transport.get_extra_info("peercert") if raw.transport is not None else None
    named = [(name.lower(), value) for name, value in raw.headers.items()]
    impersonation = tuple(pair for pair in named if pair[0].startswith(IMPERSONATION))
    return Request(
        raw.method,
        path,
        certificate_user(certificate),
        query,
        dict(named),
        body,
        impersonation,
        raw.remote or "",
    )


async def _compressed(raw: web.BaseRequest, answer: Response) -> Response:
    """A large answer in gzip where the client reads it, made beside the event loop."""
    if len(answer.body) < SMALLEST_COMPRESSED or not _reads_gzip(raw):
        return answer
    vary = ", ".join(filter(None, (answer.headers.get("Vary"), "Accept-Encoding")))
    headers = {**answer.headers, "Content-Encoding": "gzip", "Vary": vary}
    return replace(answer, body=await asyncio.to_thread(gzip.compress, answer.body, 1), headers=headers)


def _reads_gzip(raw: web.BaseRequest) -> bool:
    offered = raw.headers.get("Accept-Encoding", "").split(",")
    return any(entry.strip().replace(" ", "") in {"gzip", "gzip;q=1", "gzip;q=1.0"} for entry in offered)


def _refused(raw: web.BaseRequest, refusal: status.StatusError) -> web.StreamResponse:
    return BufferedResponse.of(raw, json_response(refusal.json(), refusal.code))


def _foreign_page() -> status.StatusError:
    return status.StatusError(403, "Forbidden", "the request comes from a page of another site")


def _same_origin(raw: web.BaseRequest) -> bool:
    """Whether the request is of no web page, or of one from this server: browsers add the user's certificate."""
    origin = raw.headers.get("Origin", "")
    return not origin or urlsplit(origin).netloc.lower() == raw.headers.get("Host", "").lower()
