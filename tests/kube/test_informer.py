"""The informer against a small HTTP server that says what a test tells it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from podwire.kube.client import Client
from podwire.kube.core import ConfigMap
from podwire.kube.credentials import Credentials
from podwire.kube.informer import Informer, ListenerError
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.watch import Change

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def item(name: str, version: int) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": "default", "resourceVersion": str(version)}}


def listing(version: int, *items: dict[str, object]) -> web.Response:
    return web.json_response({"metadata": {"resourceVersion": str(version)}, "items": items})


async def stream(request: web.Request, *events: tuple[str, dict[str, object]]) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for kind, body in events:
        await response.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")
    return response


class PlainClient(Client):
    """A client without TLS, for a server on loopback."""

    def __init__(self, url: str) -> None:
        super().__init__(Credentials(url, "", "", ""))

    async def __aenter__(self) -> Client:
        import aiohttp

        self._session = aiohttp.ClientSession(self._credentials.server)
        return self


@asynccontextmanager
async def connected(handler: Handler) -> AsyncIterator[Client]:
    application = web.Application()
    application.router.add_get("/api/v1/configmaps", handler)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with PlainClient(f"http://127.0.0.1:{port}") as client:
        try:
            yield client
        finally:
            await runner.cleanup()


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[Informer[ConfigMap]]:
    async with connected(handler) as client:
        informer = Informer(client, CONFIG_MAPS)
        task = asyncio.create_task(informer.run())
        try:
            yield informer
        finally:
            task.cancel()


def names(informer: Informer[ConfigMap]) -> list[str]:
    return sorted(key.name for key in informer.objects)


async def test_it_lists_then_watches_from_there() -> None:
    positions = []
    forever = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return listing(5, item("a", 3))
        positions.append(request.query["resourceVersion"])
        response = await stream(request, ("ADDED", item("b", 6)), ("DELETED", item("a", 7)))
        await forever.wait()
        return response

    async with served(handler) as informer, asyncio.timeout(5):
        await informer.wait_for(lambda: names(informer) == ["b"])
        assert informer.synced.is_set()
        assert positions == ["5"]


async def test_a_closed_stream_is_resumed_from_the_last_version_without_a_list() -> None:
    lists, positions = [], []

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            lists.append(1)
            return listing(5)
        positions.append(request.query["resourceVersion"])
        return await stream(request, ("ADDED", item(f"m{len(positions)}", 5 + len(positions))))

    async with served(handler) as informer, asyncio.timeout(5):
        await informer.wait_for(lambda: len(informer.objects) >= 3)
    assert positions[:3] == ["5", "6", "7"]
    assert len(lists) == 1


async def test_a_lost_position_lists_again_and_tells_what_was_missed() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await stream(request, ("ERROR", {"kind": "Status", "code": 410}))
        lists.append(1)
        return listing(5, item("a", 3)) if len(lists) == 1 else listing(50, item("b", 40))

    lists: list[int] = []
    told: list[Change[ConfigMap]] = []
    async with served(handler) as informer, asyncio.timeout(5):
        informer.subscribe(told.append)
        await informer.wait_for(lambda: names(informer) == ["b"])
    assert (told[1].old is None, told[1].new is None) == (False, True)


async def test_a_server_that_is_away_is_asked_until_it_answers() -> None:
    asked = []

    async def handler(_: web.Request) -> web.StreamResponse:
        asked.append(1)
        if len(asked) < 4:
            return web.json_response({"reason": "ServiceUnavailable", "message": "not yet"}, status=503)
        return listing(5, item("a", 3))

    async with served(handler) as informer, asyncio.timeout(5):
        await informer.synced.wait()
        assert names(informer) == ["a"]


async def test_a_late_listener_hears_of_what_is_there() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return listing(5, item("a", 3))

    told: list[Change[ConfigMap]] = []
    async with served(handler) as informer, asyncio.timeout(5):
        await informer.synced.wait()
        informer.subscribe(told.append)
        assert [change.new and change.new.metadata.name for change in told] == ["a"]


async def test_a_listener_that_raises_ends_it_even_with_what_looks_like_trouble_of_the_network() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return listing(5, item("a", 3))

    def fail(_: Change[ConfigMap]) -> None:
        raise OSError("a listener's own trouble")

    async with connected(handler) as client, asyncio.timeout(5):
        informer = Informer(client, CONFIG_MAPS)
        informer.subscribe(fail)
        with pytest.raises(ListenerError, match="configmaps"):
            await informer.run()
