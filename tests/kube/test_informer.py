"""The informer against a small HTTP server that says what a test tells it to."""

import asyncio
import logging

import pytest
from aiohttp import web

from podwire.kube.core import ConfigMap
from podwire.kube.deadlines import Deadlines
from podwire.kube.informer import Informer, ListenerError
from podwire.kube.kinds import CONFIG_MAPS
from podwire.kube.watch import Change
from tests.kube.fake_server import connected, item, listing, names, served, stream

BROKEN = item("broken", 4) | {"data": {"a": 1}}


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


async def test_an_expired_version_lists_again_and_reports_what_was_missed() -> None:
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


async def test_an_absent_server_is_tried_until_it_answers() -> None:
    asked = []

    async def handler(_: web.Request) -> web.StreamResponse:
        asked.append(1)
        if len(asked) < 4:
            return web.json_response({"reason": "ServiceUnavailable", "message": "not yet"}, status=503)
        return listing(5, item("a", 3))

    async with served(handler) as informer, asyncio.timeout(5):
        await informer.synced.wait()
        assert names(informer) == ["a"]


async def test_a_late_listener_receives_the_existing_objects() -> None:
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


async def test_a_server_that_ends_each_stream_with_an_error_is_listed_less_and_less_often() -> None:
    """Without growth a server in trouble gets a full list every 20 ms from every informer."""
    lists: list[float] = []
    now = asyncio.get_running_loop().time
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await stream(request, ("ERROR", {"kind": "Status", "code": 500, "message": "etcd is away"}))
        lists.append(now())
        if len(lists) == 7:
            done.set()
        return listing(5, item("a", 3))

    async with served(handler) as informer, asyncio.timeout(10):
        await done.wait()
    assert lists[1] - lists[0] >= 0.02
    assert lists[6] - lists[5] >= 0.6  # 0.02 s, doubled five times
    assert informer.status.failures >= 6


async def test_a_stream_that_ends_at_once_and_says_nothing_is_opened_less_and_less_often() -> None:
    opened: list[float] = []
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return listing(5)
        opened.append(asyncio.get_running_loop().time())
        if len(opened) == 6:
            done.set()
        return await stream(request)

    async with served(handler), asyncio.timeout(10):
        await done.wait()
    assert opened[5] - opened[4] >= 0.2


async def test_an_object_that_cannot_be_decoded_is_skipped_and_named(caplog: pytest.LogCaptureFixture) -> None:
    forever = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return listing(5, BROKEN, item("a", 3))
        response = await stream(request, ("ADDED", BROKEN | item("worse", 6)), ("ADDED", item("b", 7)))
        await forever.wait()
        return response

    async with served(handler) as informer, asyncio.timeout(5):
        await informer.wait_for(lambda: names(informer) == ["a", "b"])
        assert informer.status.undecodable == 2
        assert informer.status.lists == 1
    for name in ("broken", "worse"):
        assert f"configmaps default/{name} cannot be decoded and is skipped: Expected `str`, got `int`" in caplog.text


async def test_an_object_that_becomes_undecodable_stays_as_it_was_until_it_is_deleted() -> None:
    more = asyncio.Event()
    forever = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return listing(5, item("broken", 3, data={"a": "known"}))
        response = await stream(request, ("MODIFIED", BROKEN | item("broken", 6)), ("ADDED", item("b", 7)))
        await more.wait()
        await response.write(b'{"type":"DELETED","object":{"metadata":{"namespace":"default","name":"broken","resource')
        await response.write(b'Version":"8"},"data":{"a":1}}}\n')
        await forever.wait()
        return response

    async with served(handler) as informer, asyncio.timeout(5):
        await informer.wait_for(lambda: "b" in names(informer))
        assert [one.data for one in informer.objects.values()] == [{"a": "known"}, {}]
        more.set()
        await informer.wait_for(lambda: names(informer) == ["b"])
        assert informer.status.undecodable == 0


async def test_a_null_in_place_of_a_list_or_map_is_an_empty_one() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return listing(5, item("a", 3, data=None))
        return await stream(request, ("ADDED", item("b", 6, data={"key": None})))

    async with served(handler) as informer, asyncio.timeout(5):
        await informer.wait_for(lambda: names(informer) == ["a", "b"])
        assert [one.data for one in informer.objects.values()] == [{}, {"key": ""}]


async def test_a_line_that_is_too_long_is_passed_by_with_a_new_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.kube.watch_lines.Lines.__init__.__defaults__", (1000,))
    lists = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            lists.append(1)
            return listing(5) if len(lists) == 1 else listing(9, item("long", 6, data={"a": "x" * 2000}))
        return await stream(request, ("ADDED", item("long", 6, data={"a": "x" * 2000})))

    async with served(handler) as informer, asyncio.timeout(5):
        await informer.wait_for(lambda: names(informer) == ["long"])


async def test_a_server_that_goes_silent_is_left_and_connected_to_again() -> None:
    """The connection is well and nothing comes: without a limit the informer would wait for ever."""
    watches = []
    forever = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return listing(5)
        watches.append(1)
        response = await stream(request, *([("ADDED", item("b", 6))] if len(watches) > 1 else []))
        await forever.wait()
        return response

    async with served(handler, Deadlines(watch_silence=0.1)) as informer, asyncio.timeout(5):
        await informer.wait_for(lambda: names(informer) == ["b"])


async def test_a_list_that_is_never_answered_is_given_up() -> None:
    lists = []
    forever = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        lists.append(1)
        if len(lists) == 1:
            await forever.wait()
        return listing(5, item("a", 3)) if "watch" not in request.query else await stream(request)

    async with served(handler, Deadlines(call=0.1)) as informer, asyncio.timeout(5):
        await informer.synced.wait()
        assert names(informer) == ["a"]


async def test_each_watch_has_a_random_end_and_lists_come_in_pages() -> None:
    seconds = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            seconds.append(int(request.query["timeoutSeconds"]))
            return await stream(request, ("ADDED", item(f"m{len(seconds)}", 10 + len(seconds))))
        assert request.query["limit"] == "500"
        if "continue" not in request.query:
            return listing(5, item("a", 3), token="second")
        assert request.query["continue"] == "second"
        return listing(5, item("b", 4))

    async with served(handler) as informer, asyncio.timeout(5):
        await informer.wait_for(lambda: len(informer.objects) > 10)
        assert {"a", "b"} <= set(names(informer))
    assert all(300 <= one <= 600 for one in seconds)
    assert len(set(seconds)) > 1


async def test_a_missing_role_is_logged_at_once_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    lists = []

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await stream(request)
        lists.append(1)
        if len(lists) > 2:
            return listing(5)
        message = 'configmaps is forbidden: User "agent" cannot list resource "configmaps"'
        return web.json_response({"reason": "Forbidden", "message": message}, status=403)

    caplog.set_level(logging.INFO)
    async with served(handler) as informer, asyncio.timeout(5):
        await informer.synced.wait()
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "must allow get, list and watch of configmaps" in errors[0]
    assert "configmaps: list and watch work again" in caplog.text
