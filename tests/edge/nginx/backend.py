"""A backend behind both edges: it answers what it received, and keeps it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

from aiohttp import web

FROM_BACKEND = "x-of"
"""Header of the answers of backends; a proxy's own have it not."""
_OWN = ("x-envoy-", "connection", "content-length", "x-request-id")
"""Headers to backends that are each proxy's own; a request's ID counts where a client sent it."""
_OF_AUTHORIZATION = (
    "X-Original-URL", "X-Original-Method", "X-Sent-From", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto",
    "X-Auth-Request-Redirect",
)  # fmt: skip


class Backend:
    """A server of 127.0.0.1.

    Attributes:
        received: what was received, in its order, and not taken yet.
        held: how many requests of `/hold` wait for the gate.

    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.held = 0
        self._names: dict[int, str] = {}

    @contextlib.asynccontextmanager
    async def serving(self, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Serve while the context lasts; what a client requested and showed by TLS is in the answers."""
        if tls is not None:
            tls.sni_callback = self._take_name
        runner = web.ServerRunner(web.Server(self._answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        try:
            yield
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        kind, _, value = request.path.strip("/").partition("/")
        if kind == "slow":
            await asyncio.sleep(5)
        if kind == "hold":
            await self._hold()
        if kind == "cut" and request.transport is not None:
            request.transport.abort()
        if kind == "verify":
            return _verified(request)
        if kind == "cookie":
            cookie = "a=1; Domain=inner.example.com; Path=/app/x; HttpOnly"
            return web.Response(headers={"Set-Cookie": cookie, FROM_BACKEND: self.name})
        if kind == "moved":
            headers = {"Location": "http://inner.example.com/x", "Set-Cookie": "a=1", FROM_BACKEND: self.name}
            return web.Response(status=302, headers=headers)
        seen = await self._seen(request)
        self.received.put_nowait(seen)
        status = int(value) if kind == "status" else 200
        text = "" if status == 204 else json.dumps(seen)
        return web.Response(status=status, text=text, headers={FROM_BACKEND: self.name})

    async def _seen(self, request: web.BaseRequest) -> dict[str, Any]:
        return {
            "backend": self.name,
            "method": request.method,
            "path": request.raw_path,
            "body": len(await request.read()),
            "headers": dict(sorted(_received(request))),
            **self._encryption(request),
        }

    def _encryption(self, request: web.BaseRequest) -> dict[str, Any]:
        found = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        if found is None:
            return {}
        return {
            "server_name": self._names.get(id(found), ""),
            "client": str((found.getpeercert() or {}).get("subject")),
        }

    def _take_name(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        self._names[id(connection)] = name or ""

    async def _hold(self) -> None:
        self.held += 1
        try:
            await self.gate.wait()
        finally:
            self.held -= 1


def _verified(request: web.BaseRequest) -> web.Response:
    """The answer of an authorization service, by a token; what it received is in a header."""
    status = {"good": 200, "forbidden": 403, "broken": 500}.get(request.headers.get("X-Token", ""), 401)
    seen = [f"{request.method} {request.raw_path} {int(request.headers.get('Content-Length', '0'))}"]
    seen += [f"{one}={request.headers.get(one, '')}" for one in _OF_AUTHORIZATION]
    return web.Response(status=status, headers={"X-User": "alice", "X-Seen": "|".join(seen)})


def _received(request: web.BaseRequest) -> Iterator[tuple[str, str]]:
    for name, value in request.headers.items():
        if not name.lower().startswith(_OWN) or value == "of-the-client":
            yield name.lower(), value
