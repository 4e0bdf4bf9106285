"""A small HTTP server that answers for one collection as a test's handler does, and a client of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from podwire.kube.client import Client
from podwire.kube.core import ConfigMap
from podwire.kube.credentials import Credentials
from podwire.kube.deadlines import Deadlines
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def item(name: str, version: int, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default", "resourceVersion": str(version)}, **fields}


def listing(version: int, *items: dict[str, Any], token: str = "") -> web.Response:
    return web.json_response({"metadata": {"resourceVersion": str(version), "continue": token}, "items": items})


async def stream(request: web.Request, *events: tuple[str, dict[str, Any]]) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for kind, body in events:
        await response.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")
    return response


@asynccontextmanager
async def connected(handler: Handler, deadlines: Deadlines | None = None) -> AsyncIterator[Client]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with Client(Credentials(f"http://127.0.0.1:{port}"), deadlines=deadlines) as client:
        try:
            yield client
        finally:
            await runner.cleanup()


@asynccontextmanager
async def served(
    handler: Handler, deadlines: Deadlines | None = None, *, streams: bool = False
) -> AsyncIterator[Informer[ConfigMap]]:
    async with connected(handler, deadlines) as client:
        informer = Informer(client, CONFIG_MAPS, stream_initial=streams)
        task = asyncio.create_task(informer.run())
        try:
            yield informer
        finally:
            task.cancel()


def names(informer: Informer[ConfigMap]) -> list[str]:
    return sorted(key.name for key in informer.objects)
