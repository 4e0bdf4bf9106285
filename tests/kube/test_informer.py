"""The informer against a small HTTP server that answers what a test sets."""

import asyncio
import gzip
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pytest
from aiohttp import web

from podwire.kube.client import Client, ListMeta, ObjectList
from podwire.kube.core import ConfigMap
from podwire.kube.credentials import Credentials
from podwire.kube.deadlines import Deadlines
from podwire.kube.informer import OBJECTS_A_SECOND, Informer, ListenerError
from podwire.kube.kinds import CONFIG_MAPS, Kind
from podwire.kube.meta import Object
from podwire.kube.watch import Change
from tests.kube.fake_server import connected, item, listing, names, served, stream

ObjectT = TypeVar("ObjectT", bound=Object)
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

    async with served(handler) as informer, asyncio.timeout(60):
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

    async with served(handler) as informer, asyncio.timeout(60):
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
    reported: list[Change[ConfigMap]] = []
    async with served(handler) as informer, asyncio.timeout(60):
        informer.subscribe(reported.append)
        await informer.wait_for(lambda: names(informer) == ["b"])
    assert [(change.old is None, change.new is None) for change in reported] == [
        (True, False),
        (True, False),
        (False, True),
    ]


async def test_an_absent_server_is_tried_until_it_answers() -> None:
    requested = []

    async def handler(_: web.Request) -> web.StreamResponse:
        requested.append(1)
        if len(requested) < 4:
            return web.json_response({"reason": "ServiceUnavailable", "message": "not yet"}, status=503)
        return listing(5, item("a", 3))

    async with served(handler) as informer, asyncio.timeout(60):
        await informer.synced.wait()
        assert names(informer) == ["a"]


async def test_a_late_listener_receives_the_existing_objects() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return listing(5, item("a", 3))

    reported: list[Change[ConfigMap]] = []
    async with served(handler) as informer, asyncio.timeout(60):
        await informer.synced.wait()
        informer.subscribe(reported.append)
        assert [change.new and change.new.metadata.name for change in reported] == ["a"]


async def test_a_listener_that_raises_ends_it_even_with_what_looks_like_trouble_of_the_network() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return listing(5, item("a", 3))

    def fail(_: Change[ConfigMap]) -> None:
        raise OSError("a listener's own trouble")

    async with connected(handler) as client, asyncio.timeout(60):
        informer = Informer(client, CONFIG_MAPS)
        informer.subscribe(fail)
        with pytest.raises(ListenerError, match="configmaps"):
            await informer.run()


async def test_a_server_that_ends_each_stream_with_an_error_is_tried_less_often_and_seldom_listed() -> None:
    """The position holds, so a list would be a load for nothing; but an event that cannot be sent is passed by."""
    lists: list[float] = []
    opened: list[float] = []
    now = asyncio.get_running_loop().time
    done = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            opened.append(now())
            if len(opened) == 7:
                done.set()
            return await stream(request, ("ERROR", {"kind": "Status", "code": 500, "message": "etcd is away"}))
        lists.append(now())
        return listing(5, item("a", 3))

    async with served(handler) as informer, asyncio.timeout(60):
        await done.wait()
    assert opened[1] - opened[0] >= 0.02
    assert opened[6] - opened[5] >= 0.6  # 0.02 s, doubled five times
    assert len(lists) == 3, "again after each third error"
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

    async with served(handler), asyncio.timeout(60):
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

    async with served(handler) as informer, asyncio.timeout(60):
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

    async with served(handler) as informer, asyncio.timeout(60):
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

    async with served(handler) as informer, asyncio.timeout(60):
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

    async with served(handler) as informer, asyncio.timeout(60):
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

    async with served(handler, Deadlines(watch_silence=0.1)) as informer, asyncio.timeout(30):
        await informer.wait_for(lambda: names(informer) == ["b"])


async def test_a_list_that_is_never_answered_is_given_up() -> None:
    lists = []
    forever = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        lists.append(1)
        if len(lists) == 1:
            await forever.wait()
        return listing(5, item("a", 3)) if "watch" not in request.query else await stream(request)

    async with served(handler, Deadlines(call=0.1)) as informer, asyncio.timeout(30):
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

    async with served(handler) as informer, asyncio.timeout(60):
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
    async with served(handler) as informer, asyncio.timeout(60):
        await informer.synced.wait()
    errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "must allow get, list and watch of configmaps" in errors[0]
    assert "configmaps: list and watch work again" in caplog.text


def bookmark(version: int, *, end: bool) -> tuple[str, dict[str, Any]]:
    annotations = {"k8s.io/initial-events-end": "true"} if end else {}
    return "BOOKMARK", {"metadata": {"resourceVersion": str(version), "annotations": annotations}}


async def test_a_streamed_state_is_whole_at_its_bookmark_and_resumed_without_it() -> None:
    requests: list[dict[str, str]] = []
    rest, forever = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        requests.append(dict(request.query))
        if "sendInitialEvents" not in request.query:
            response = await stream(request, ("DELETED", item("a", 9)))
            await forever.wait()
            return response
        response = await stream(request, ("ADDED", item("a", 3)))
        await rest.wait()
        for kind, body in (("ADDED", item("b", 4)), bookmark(8, end=True)):
            await response.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")
        return response

    async with served(handler, streams=True) as informer, asyncio.timeout(60):
        await informer.wait_for(lambda: names(informer) == ["a"])
        assert not informer.synced.is_set(), "a part is not a state that the server had"
        rest.set()
        await informer.wait_for(lambda: names(informer) == ["b"])
        assert informer.synced.is_set()
    first, second = requests[:2]
    assert (first["sendInitialEvents"], first["resourceVersionMatch"]) == ("true", "NotOlderThan")
    assert first["allowWatchBookmarks"] == "true"
    assert "resourceVersion" not in first
    assert second["resourceVersion"] == "8"
    assert len(requests) == 2, "and no list"


async def test_a_streamed_state_in_gzip_members_is_read_to_its_end() -> None:
    """The server ends a member with each flush (kubernetes `endpoints/handlers/watch.go`)."""
    forever = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        assert "gzip" in request.headers["Accept-Encoding"]
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        for kind, body in (("ADDED", item("a", 3)), ("ADDED", item("b", 4)), bookmark(8, end=True)):
            await response.write(gzip.compress(json.dumps({"type": kind, "object": body}).encode() + b"\n"))
        await forever.wait()
        return response

    async with served(handler, streams=True) as informer, asyncio.timeout(60):
        await informer.synced.wait()
        assert names(informer) == ["a", "b"]


@pytest.mark.parametrize("status", [422, 200])
async def test_a_server_without_initial_events_is_listed(status: int) -> None:
    """One refuses the parameter, an older one does not know it and sends events without their end."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if "sendInitialEvents" in request.query:
            if status == 422:
                return web.json_response({"reason": "Invalid", "message": "sendInitialEvents is forbidden"}, status=422)
            return await stream(request, ("ADDED", item("old", 1)))
        if "watch" in request.query:
            return await stream(request, ("ADDED", item("b", 6)))
        return listing(5, item("a", 3))

    async with served(handler, streams=True) as informer, asyncio.timeout(60):
        await informer.wait_for(lambda: names(informer) == ["a", "b"])


async def test_a_busy_server_is_left_alone_for_as_long_as_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[float] = []
    sleep = asyncio.sleep

    async def shortened(seconds: float) -> None:
        delays.append(seconds)
        await sleep(0)

    async def handler(_: web.Request) -> web.StreamResponse:
        if not delays:
            return web.json_response({"code": 429}, status=429, headers={"Retry-After": "3"})
        return listing(5, item("a", 3))

    monkeypatch.setattr("podwire.kube.informer.asyncio.sleep", shortened)
    async with served(handler) as informer, asyncio.timeout(60):
        await informer.synced.wait()
    assert 3 <= delays[0] <= 4.5


async def test_a_thousand_clients_of_a_restarted_server_read_their_states_again_spread_over_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All lose their position at once. Each waits a random time that grows with what it reads: no second has most."""
    objects, clients, lost = 20_000, 1_000, b'{"type":"ERROR","object":{"code":410}}'
    delays: list[float] = []

    class Lost(Client):
        """A server that has every state once, and then no position."""

        async def pages(self, kind: Kind[ObjectT], namespace: str = "", **_: str) -> AsyncIterator[ObjectList[ObjectT]]:
            del kind, namespace
            yield ObjectList([], ListMeta("5"))

        async def watch(self, kind: Kind[ObjectT], namespace: str = "", **_: str) -> AsyncIterator[bytes]:
            del kind, namespace
            yield lost

    async def noted(seconds: float) -> None:
        delays.append(seconds)
        raise asyncio.CancelledError

    monkeypatch.setattr("podwire.kube.informer.asyncio.sleep", noted)
    for _ in range(clients):
        informer = Informer(Lost(Credentials("")), CONFIG_MAPS)
        monkeypatch.setattr(Informer, "objects", range(objects))
        with pytest.raises(asyncio.CancelledError):
            await informer.run()
    seconds = Counter(int(delay) for delay in delays)
    assert sorted(seconds) == list(range(objects // OBJECTS_A_SECOND))
    assert max(seconds.values()) < 2 * clients / len(seconds)


async def test_an_open_stream_without_events_ends_the_trouble_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that seldom changes would look lost until the next bookmark, a minute later."""
    monkeypatch.setattr("podwire.kube.informer.STEADY_SECONDS", 0.05)
    watches = []
    forever = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return listing(5)
        watches.append(1)
        if len(watches) == 1:
            return web.json_response({"reason": "Forbidden", "message": "no roles yet"}, status=403)
        response = await stream(request)
        await forever.wait()
        return response

    async with served(handler) as informer, asyncio.timeout(60):
        well = asyncio.Event()
        monkeypatch.setattr(informer.status, "received", well.set)
        await well.wait()
        assert len(watches) == 2
