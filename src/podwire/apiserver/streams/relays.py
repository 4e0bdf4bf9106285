"""Streams of pods, passed on from the kubelet of their node: logs as a body, the others as WebSocket messages."""

from __future__ import annotations

import base64
import contextlib

import aiohttp
import msgspec
from aiohttp import web

from podwire.apiserver.base import status
from podwire.http.reverse_proxy import MESSAGE_BYTES, Endpoint, Hop, exchange, passed_on

CONNECT_SECONDS = 5.0
BASE64 = "base64.binary.k8s.io"
BODY_PROTOCOLS = ("binary.k8s.io", BASE64)
"""Subprotocols of a body in WebSocket messages; without one the messages are binary."""


class Relay(msgspec.Struct, frozen=True, gc=False):
    """The answer comes from the kubelet of a node, from this path and query."""

    endpoint: Endpoint
    path: str
    query: tuple[tuple[str, str], ...]
    streams: bool
    """Whether it is a WebSocket (exec, attach, portforward) rather than a plain body (log)."""
    protocols: tuple[str, ...] = ()
    """The WebSocket's subprotocols, the best first; an empty one means none at all."""


class Proxied(msgspec.Struct, frozen=True, gc=False):
    """The answer is that of a pod, Service or node."""

    hop: Hop
    body: bytes


class KubeletRefusal(Exception):  # noqa: N818  (a refusal, not a fault)
    """The kubelet refused, or did not answer; the body is a Status object."""

    def __init__(self, code: int, body: bytes) -> None:
        super().__init__(code)
        self.code = code
        self.body = body


async def relay_body(raw: web.BaseRequest, relay: Relay) -> web.StreamResponse:
    """Pass a body on as it comes, as WebSocket messages on request; raises KubeletRefusal before that."""
    if raw.headers.get("Upgrade", "").lower() == "websocket":
        return await _body_in_messages(raw, relay)
    async with _session(relay) as session, _reachable(relay), session.get(_url(relay), params=relay.query) as source:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(raw)
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            async for part in source.content.iter_any():
                await response.write(part)
            await response.write_eof()
        return response


async def _body_in_messages(raw: web.BaseRequest, relay: Relay) -> web.StreamResponse:
    """Send an empty message, then each part of the body as one (k8s.io/apimachinery `httpstream/wsstream`)."""
    async with _session(relay) as session, _reachable(relay), session.get(_url(relay), params=relay.query) as source:
        client = web.WebSocketResponse(protocols=BODY_PROTOCOLS, compress=False)
        await client.prepare(raw)
        as_text = client.ws_protocol == BASE64
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await _send(client, b"", as_text=as_text)
            async for part in source.content.iter_any():
                await _send(client, part, as_text=as_text)
        await client.close()
        return client


async def _send(client: web.WebSocketResponse, part: bytes, *, as_text: bool) -> None:
    if as_text:
        await client.send_str(base64.b64encode(part).decode())
    else:
        await client.send_bytes(part)


async def relay_messages(raw: web.BaseRequest, relay: Relay) -> web.StreamResponse:
    """Pass WebSocket messages on in both directions until one side closes; raises KubeletRefusal before the upgrade."""
    requested = _protocols(raw, relay)
    async with _session(relay) as session:
        async with _reachable(relay):
            runtime = await session.ws_connect(
                _url(relay), params=relay.query, protocols=requested, max_msg_size=MESSAGE_BYTES
            )
        client = passed_on(runtime)
        await client.prepare(raw)
        await exchange(client, runtime)
        return client


def _protocols(raw: web.BaseRequest, relay: Relay) -> list[str]:
    """The served subprotocols that the client offers; raises KubeletRefusal where there is none."""
    offered = {one.strip() for one in raw.headers.get("Sec-WebSocket-Protocol", "").split(",")}
    requested = [protocol for protocol in relay.protocols if protocol in offered]
    if not requested:
        served = ", ".join(filter(None, relay.protocols))
        refusal = status.bad_request(f"none of the subprotocols is served; offer one of {served}")
        raise KubeletRefusal(refusal.code, msgspec.json.encode(refusal.json()))
    return [protocol for protocol in requested if protocol]


def _session(relay: Relay) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
    return aiohttp.ClientSession(
        connector=relay.endpoint.connector(),
        timeout=timeout,
        raise_for_status=_refuse,
        auto_decompress=False,
    )


def _url(relay: Relay) -> str:
    return f"{relay.endpoint.url}{relay.path}"


async def _refuse(response: aiohttp.ClientResponse) -> None:
    """Turn a kubelet's refusal into a Status with its own message."""
    if response.status < 400:
        return
    body = await response.read()
    try:
        if msgspec.json.decode(body).get("kind") == "Status":
            raise KubeletRefusal(response.status, body)
    except (msgspec.DecodeError, AttributeError):
        text = body.decode("utf-8", "replace").strip() or f"the node's runtime answered {response.status}"
    else:
        text = f"the node's runtime answered {response.status}"
    reasons = {400: "BadRequest", 404: "NotFound", 409: "Conflict"}
    refusal = status.StatusError(response.status, reasons.get(response.status, "InternalError"), text)
    raise KubeletRefusal(refusal.code, msgspec.json.encode(refusal.json()))


class _reachable(contextlib.AbstractAsyncContextManager[None]):  # noqa: N801  (used as `async with _reachable(...)`)
    """Turns a runtime that does not answer into a refusal with the remedy."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, aiohttp.ClientError | OSError | TimeoutError):
            text = f"the kubelet of the pod's node does not answer at {self._relay.endpoint}; is the node up?"
            refusal = status.unavailable(text)
            raise KubeletRefusal(refusal.code, msgspec.json.encode(refusal.json())) from error
