"""An API server of a few kinds that lists what it holds and streams what is put: enough for informers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from podwire.kube.client import Client
from podwire.kube.core import ConfigMap, Namespace, Pod
from podwire.kube.credentials import Credentials
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service

PATHS: dict[type, str] = {
    Service: "/api/v1/services",
    EndpointSlice: "/apis/discovery.k8s.io/v1/endpointslices",
    Namespace: "/api/v1/namespaces",
    Pod: "/api/v1/pods",
    ConfigMap: "/api/v1/namespaces/kube-system/configmaps",
}
Item = Service | EndpointSlice | Namespace | Pod | ConfigMap
EVENTS = "/api/v1/namespaces/kube-system/events"


class PlainClient(Client):
    """A client without TLS, for a server on loopback."""

    def __init__(self, url: str) -> None:
        super().__init__(Credentials(url, "", "", ""))

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(self._credentials.server)
        return self


class FakeApi:
    """Objects by path and key. Lists wait until `open` is set. Events that clients create are remembered."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.events: list[dict[str, Any]] = []
        self.forbidden: set[type] = set()
        """Kinds that clients may not read."""
        self._version = 1
        self._objects: dict[str, dict[Any, dict[str, Any]]] = {path: {} for path in PATHS.values()}
        self._watchers: dict[str, list[asyncio.Queue[bytes]]] = {path: [] for path in PATHS.values()}

    def put(self, *items: Item) -> None:
        """Create or replace objects."""
        for item in items:
            self._store(PATHS[type(item)], item, "MODIFIED")

    def delete(self, item: Item) -> None:
        """Remove an object."""
        path = PATHS[type(item)]
        self._store(path, item, "DELETED")
        del self._objects[path][item.key]

    def _store(self, path: str, item: Item, event: str) -> None:
        self._version += 1
        body: dict[str, Any] = msgspec.to_builtins(item)
        body["metadata"]["resourceVersion"] = str(self._version)
        self._objects[path][item.key] = body
        line = json.dumps({"type": event, "object": body}).encode() + b"\n"
        for queue in self._watchers[path]:
            queue.put_nowait(line)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await self.open.wait()
        if request.path in {PATHS[kind] for kind in self.forbidden}:
            text = f"{request.path} is forbidden"
            return web.json_response(
                {"kind": "Status", "code": 403, "reason": "Forbidden", "message": text}, status=403
            )
        if request.query.get("watch") != "true":
            items = list(self._objects[request.path].values())
            return web.json_response({"metadata": {"resourceVersion": str(self._version)}, "items": items})
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._watchers[request.path].append(queue)
        response = web.StreamResponse()
        await response.prepare(request)
        if "sendInitialEvents" in request.query:
            annotations = {"k8s.io/initial-events-end": "true"}
            end = {"metadata": {"resourceVersion": str(self._version), "annotations": annotations}}
            known = [("ADDED", item) for item in self._objects[request.path].values()]
            for kind, body in (*known, ("BOOKMARK", end)):
                await response.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")
        while True:
            await response.write(await queue.get())

    async def _record(self, request: web.Request) -> web.StreamResponse:
        self.events.append(await request.json())
        return web.json_response(self.events[-1], status=201)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Serve on loopback; gives the URL."""
        application = web.Application()
        for path in PATHS.values():
            application.router.add_get(path, self._answer)
        application.router.add_post(EVENTS, self._record)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
