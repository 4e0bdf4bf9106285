"""An informer of a kind that a server may not serve."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from aiohttp import web

from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.optional_informer import ABSENT, OptionalInformer
from tests.kube.fake_server import connected, item, listing, stream


@pytest.mark.parametrize(("code", "level"), [(403, logging.WARNING), (404, logging.INFO)])
async def test_a_kind_that_is_not_served_counts_as_known_and_empty(
    code: int, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    tried = asyncio.Semaphore(0)

    async def handler(_: web.Request) -> web.StreamResponse:
        tried.release()
        return web.json_response({"kind": "Status", "code": code, "reason": "NotFound", "message": "no"}, status=code)

    async with connected(handler) as client, asyncio.timeout(60):
        informer = OptionalInformer(client, CONFIG_MAPS, retry_seconds=0.01)
        task = asyncio.create_task(informer.run())
        await informer.synced.wait()
        assert informer.objects == {}
        for _ in range(3):
            await tried.acquire()
        task.cancel()
    (logged,) = (one for one in caplog.records if one.name == "podwire.kube.optional_informer")
    assert (logged.levelno, "configmaps are left out" in logged.message) == (level, True)


async def test_a_kind_that_is_served_later_is_followed_then() -> None:
    refusals = iter([403, 404])

    async def handler(request: web.Request) -> web.StreamResponse:
        if code := next(refusals, 0):
            return web.json_response({"kind": "Status", "code": code, "message": "not yet"}, status=code)
        if "watch" not in request.query:
            return listing(5, item("a", 3))
        return await stream(request)

    async with connected(handler) as client, asyncio.timeout(60):
        informer = OptionalInformer(client, CONFIG_MAPS, retry_seconds=0.01)
        seen = asyncio.Queue[str]()
        informer.subscribe(lambda change: seen.put_nowait(change.new.metadata.name if change.new else ""))
        task = asyncio.create_task(informer.run())
        assert await seen.get() == "a"
        task.cancel()


async def test_a_kind_that_is_served_is_followed_after_errors(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([500, 503])

    async def handler(request: web.Request) -> web.StreamResponse:
        code = next(answers, 0)
        if code:
            return web.json_response({"kind": "Status", "code": code, "message": "later"}, status=code)
        if "watch" not in request.query:
            return listing(5, item("a", 3))
        response = await stream(request, ("ADDED", item("b", 6)))
        await asyncio.Event().wait()
        return response

    async with connected(handler) as client:
        informer = OptionalInformer(client, CONFIG_MAPS)
        seen = asyncio.Queue[str]()
        informer.subscribe(lambda change: seen.put_nowait(change.new.metadata.name if change.new else ""))
        task = asyncio.create_task(informer.run())
        async with asyncio.timeout(60):
            assert [await seen.get(), await seen.get()] == ["a", "b"]
        assert informer.synced.is_set()
        task.cancel()
    assert [one.message for one in caplog.records if "trying again" in one.message], "errors are not silent"


async def test_where_a_refusal_is_no_absence_nothing_is_known_until_it_ends() -> None:
    codes, tried = [403], asyncio.Semaphore(0)

    async def handler(request: web.Request) -> web.StreamResponse:
        tried.release()
        if codes[0] != 200:
            return web.json_response({"kind": "Status", "code": codes[0], "message": "no"}, status=codes[0])
        return await stream(request) if "watch" in request.query else listing(5, item("a", 3))

    async with connected(handler) as client, asyncio.timeout(60):
        informer = OptionalInformer(client, CONFIG_MAPS, retry_seconds=0.01, not_served=ABSENT)
        task = asyncio.create_task(informer.run())
        for _ in range(3):
            await tried.acquire()
        assert not informer.synced.is_set()
        assert "configmaps" in informer.problem
        codes[0] = 404
        await informer.synced.wait()
        assert (dict(informer.objects), informer.problem) == ({}, "")
        codes[0] = 403
        await until(lambda: bool(informer.problem))
        codes[0] = 200
        await until(lambda: len(informer.objects) == 1)
        assert informer.problem == ""
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  a problem is no event
        await asyncio.sleep(0.01)
