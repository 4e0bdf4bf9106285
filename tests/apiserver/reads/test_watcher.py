import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.apiserver.kinds.resources import Resource
from podwire.apiserver.reads.negotiation import Form
from podwire.apiserver.reads.representations import Plain, view
from podwire.apiserver.reads.selectors import Selection, selection
from podwire.apiserver.reads.watch_hub import Hub
from podwire.apiserver.reads.watcher import CHUNK, Phase, Watcher, added_line, bookmark_line
from podwire.apiserver.storage.revisions import Stored
from podwire.apiserver.storage.store import Store
from tests.apiserver.builders import key, obj, put, remove
from tests.thoroughness import examples

THINGS = Resource("", "v1", "things", "thing", "Thing", namespaced=True, list_kind="ThingList", storage="things")
PLAIN = view(THINGS, Form.PLAIN, "")
METADATA = view(THINGS, Form.METADATA, "")


def selecting(labels: str = "", fields: str = "", namespace: str = "") -> Selection:
    return selection("things", namespace, labels, fields)


def follow(store: Store, watcher: Watcher) -> Watcher:
    Hub(store).add("things", watcher)
    return watcher


def reported(watcher: Watcher) -> list[tuple[str, str, str]]:
    """Type, name and version of every line that can be taken now."""
    lines = b""
    while chunk := watcher.take():
        lines += chunk
    events: list[dict[str, Any]] = [json.loads(line) for line in lines.splitlines()]
    parts = [(event["type"], event["object"]["metadata"]) for event in events]
    return [(kind, metadata.get("name", ""), metadata["resourceVersion"]) for kind, metadata in parts]


async def test_changes_are_sent_in_order() -> None:
    store = Store(":memory:")
    watcher = follow(store, Watcher(selecting(), PLAIN))
    await put(store, obj("a"))
    await put(store, obj("a", data=1))
    await remove(store, "a")
    assert reported(watcher) == [("ADDED", "a", "1"), ("MODIFIED", "a", "2"), ("DELETED", "a", "3")]


async def test_other_storages_and_namespaces_are_not_sent() -> None:
    store = Store(":memory:")
    watcher = follow(store, Watcher(selecting(namespace="ns"), PLAIN))
    await put(store, obj("a"), "others")
    await put(store, obj("b", "elsewhere"))
    await put(store, obj("c"))
    assert reported(watcher) == [("ADDED", "c", "3")]


@pytest.mark.proves("watch-selectors")
async def test_objects_enter_and_leave_a_selection() -> None:
    store = Store(":memory:")
    watcher = follow(store, Watcher(selecting("app=web"), PLAIN))
    await put(store, obj("a"))
    await put(store, obj("a", labels={"app": "web"}))
    await put(store, obj("a", labels={"app": "web", "x": "1"}))
    await put(store, obj("a", labels={"app": "db"}))
    await remove(store, "a")
    assert reported(watcher) == [("ADDED", "a", "2"), ("MODIFIED", "a", "3"), ("DELETED", "a", "4")]


@pytest.mark.proves("watch-selectors")
async def test_an_object_that_leaves_has_its_last_selected_state_and_the_new_version() -> None:
    store = Store(":memory:")
    watcher = follow(store, Watcher(selecting("app=web"), PLAIN))
    await put(store, obj("a", labels={"app": "web"}, data="inside"))
    await put(store, obj("a", labels={"app": "db"}, data="outside"))
    last = json.loads(watcher.take().splitlines()[-1])["object"]
    assert (last["data"], last["metadata"]["labels"], last["metadata"]["resourceVersion"]) == (
        "inside",
        {"app": "web"},
        "2",
    )


@pytest.mark.proves("watch-single")
async def test_a_watch_by_name_gets_that_object_only() -> None:
    store = Store(":memory:")
    watcher = follow(store, Watcher(selecting(fields="metadata.name=b"), PLAIN))
    await put(store, obj("a"))
    await put(store, obj("b"))
    assert reported(watcher) == [("ADDED", "b", "2")]


@pytest.mark.proves("watch-shared-bytes")
async def test_a_line_is_encoded_once_for_all_watchers() -> None:
    store = Store(":memory:")
    hub = Hub(store)
    watchers = [Watcher(selecting(), PLAIN) for _ in range(3)]
    for watcher in watchers:
        hub.add("things", watcher)
    await put(store, obj("a"))
    first, *others = [watcher._buffer[0] for watcher in watchers]
    assert all(line is first for line in others)


async def test_views_share_a_stream_s_events_in_their_own_form() -> None:
    store = Store(":memory:")
    watcher = follow(store, Watcher(selecting(), METADATA))
    await put(store, obj("a", data="secret"))
    event = json.loads(watcher.take())
    assert event["object"]["kind"] == "PartialObjectMetadata"
    assert "data" not in event["object"]


@pytest.mark.proves("watch-list")
async def test_initial_lines_precede_their_end_and_later_events() -> None:
    store = Store(":memory:")
    stored = await put(store, obj("a"))
    initial = [added_line(stored, PLAIN), bookmark_line(PLAIN, 1, initial_events_end=True)]
    watcher = follow(store, Watcher(selecting(), PLAIN, initial=initial))
    await put(store, obj("b"))
    lines = watcher.take().splitlines()
    bookmark = json.loads(lines[1])
    assert [json.loads(line)["type"] for line in lines] == ["ADDED", "BOOKMARK", "ADDED"]
    assert bookmark["object"] == {
        "kind": "Thing",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}},
    }
    assert watcher.phase is Phase.LIVE


def test_big_beginnings_are_made_a_chunk_at_a_time() -> None:
    made = 0

    def lines() -> Any:
        nonlocal made
        for _ in range(1000):
            made += 1
            yield b"x" * 1000

    watcher = Watcher(selecting(), PLAIN, initial=lines())
    assert len(watcher.take()) <= CHUNK + 1000
    assert made < 100
    while watcher.take():
        pass
    assert (made, watcher.phase) == (1000, Phase.LIVE)


@pytest.mark.proves("watch-slow-clients")
async def test_a_slow_watcher_is_broken_and_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.apiserver.reads.watcher.LARGEST_BUFFER", 20)
    store = Store(":memory:")
    watcher = follow(store, Watcher(selecting(), PLAIN))
    wakes: list[Phase] = []
    watcher.wake = lambda: wakes.append(watcher.phase)
    for count in range(20):
        await put(store, obj("a", count=count))
    assert not watcher.finished
    await put(store, obj("a", count=-1))
    assert watcher.finished
    assert wakes[-1] is Phase.BROKEN
    assert (watcher.take(), len(watcher._buffer)) == (b"", 0)


@pytest.mark.proves("watch-bookmarks")
def test_bookmarks_come_every_minute_and_before_the_end() -> None:
    watcher = Watcher(selecting(), PLAIN, bookmarks=True, started=0, ends=100)
    assert watcher.next_tick == 60
    watcher.tick(59, 5)
    assert reported(watcher) == []
    watcher.tick(60, 6)
    assert reported(watcher) == [("BOOKMARK", "", "6")]
    assert watcher.next_tick == 98
    watcher.tick(98, 7)
    assert reported(watcher) == [("BOOKMARK", "", "7")]
    assert watcher.next_tick == 100
    watcher.tick(100, 7)
    assert watcher.finished


@pytest.mark.proves("watch-bookmarks")
def test_bookmarks_come_on_request_only() -> None:
    watcher = Watcher(selecting(), PLAIN, started=0, ends=100)
    assert watcher.next_tick == 100
    watcher.tick(99, 1)
    assert watcher.take() == b""


async def test_an_ended_stream_still_gives_what_it_has() -> None:
    store = Store(":memory:")
    watcher = follow(store, Watcher(selecting(), PLAIN))
    await put(store, obj("a"))
    watcher.end()
    assert not watcher.finished
    assert reported(watcher) == [("ADDED", "a", "1")]
    assert watcher.finished


async def test_a_discarded_watcher_is_fed_no_longer() -> None:
    store = Store(":memory:")
    hub = Hub(store)
    watcher = Watcher(selecting(), PLAIN)
    hub.add("things", watcher)
    assert len(hub) == 1
    hub.discard("things", watcher)
    hub.discard("things", watcher)
    await put(store, obj("a"))
    assert (len(hub), watcher.take()) == (0, b"")


async def test_a_watcher_that_fails_ends_and_the_others_receive_all() -> None:
    store = Store(":memory:")
    hub = Hub(store)
    fails, goes_on = Watcher(selecting(), Unreadable(THINGS)), Watcher(selecting(), PLAIN)
    for watcher in (fails, goes_on):
        hub.add("things", watcher)
    for name in ("a", "b"):
        await put(store, obj(name))
    assert [name for _, name, _ in reported(goes_on)] == ["a", "b"]
    assert (fails.take(), fails.finished, len(hub)) == (b"", True, 1)


class Unreadable(Plain):
    """A view that cannot show anything."""

    @property
    def name(self) -> str:
        return "unreadable"

    def one(self, stored: Stored) -> bytes:
        raise ValueError(stored.key)


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["web", "db", "gone"])), max_size=25)


async def replayed(steps: list[tuple[str, str]], begin: int) -> None:
    store, selected = Store(":memory:"), selecting("app=web")
    for name, app in steps[:begin]:
        await step(store, name, app)
    state = {stored.key.name: stored.version for stored in store.objects("things") if selected.matches(stored)}
    watcher = follow(store, Watcher(selected, PLAIN))
    for name, app in steps[begin:]:
        await step(store, name, app)
    last = 0
    for kind, name, version in reported(watcher):
        assert int(version) > last
        assert (kind == "ADDED") is (name not in state)
        last = int(version)
        if kind == "DELETED":
            del state[name]
        else:
            state[name] = last
    assert state == {stored.key.name: stored.version for stored in store.objects("things") if selected.matches(stored)}


async def step(store: Store, name: str, app: str) -> None:
    if app != "gone":
        await put(store, obj(name, labels={"app": app}))
    elif store.get(key(name)) is not None:
        await remove(store, name)


@given(steps=STEPS, begin=st.integers(0, 25))
@settings(max_examples=examples(50), deadline=None)
def test_a_client_of_a_selection_has_exactly_the_selected_objects(steps: list[tuple[str, str]], begin: int) -> None:
    asyncio.run(replayed(steps, begin))


async def test_a_hundred_watchers_cost_one_encoding_that_is_not_kept() -> None:
    store, encoded = Store(":memory:"), list[Stored]()

    class Counting(Plain):
        def one(self, stored: Stored) -> bytes:
            encoded.append(stored)
            return super().one(stored)

    view_of_all = Counting(THINGS)
    hub = Hub(store)
    for _ in range(100):
        hub.add("things", Watcher(selecting(), view_of_all))
    await put(store, obj("a"))
    assert len(encoded) == 1
    (event,) = store.events_after("things", 0)
    assert event.__struct_fields__ == ("old", "new", "removed")


async def test_a_slow_client_of_large_objects_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.apiserver.reads.watcher.LARGEST_BUFFER_BYTES", 10_000)
    store = Store(":memory:")
    hub = Hub(store)
    slow, quick = Watcher(selecting(), PLAIN), Watcher(selecting(), PLAIN)
    hub.add("things", slow)
    hub.add("things", quick)
    for number in range(5):
        await put(store, obj("a", number=number, data="x" * 3000))
        assert quick.take()
    assert (slow.phase, quick.phase) == (Phase.BROKEN, Phase.LIVE)
