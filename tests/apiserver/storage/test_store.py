import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from podwire.apiserver.base.status import ExpiredError, StatusError
from podwire.apiserver.storage.history import Window
from podwire.apiserver.storage.journal import JournalError
from podwire.apiserver.storage.revisions import Event
from podwire.apiserver.storage.store import Store
from podwire.apiserver.storage.transaction import Transaction
from tests.apiserver.builders import key, obj, put, remove


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def names(store: Store, version: int) -> list[str]:
    return [stored.key.name for stored in store.at("things", "", version).objects]


@pytest.mark.proves("list-versions")
async def test_versions_come_from_one_counter() -> None:
    store = Store(":memory:")
    first = await put(store, obj("a"))
    second = await put(store, obj("b"), "others")
    gone = await remove(store, "a")
    assert [first.version, second.version, gone.version, store.version] == [1, 2, 3, 3]
    assert gone.object()["metadata"]["resourceVersion"] == "3"


@pytest.mark.proves("no-op-writes")
async def test_a_write_that_changes_nothing_takes_no_version_and_makes_no_event() -> None:
    store = Store(":memory:")
    reported: list[Event] = []
    store.subscribe(reported.extend)
    first = await put(store, obj("a", data={"x": 1}))
    assert await put(store, obj("a", data={"x": 1})) == first
    assert (store.version, len(reported)) == (1, 1)
    await put(store, obj("a", data={"x": 2}))
    assert (store.version, len(reported)) == (2, 2)


async def test_waiting_writes_share_a_commit_and_see_each_other() -> None:
    store = Store(":memory:")
    batches: list[int] = []
    store.subscribe(lambda events: batches.append(len(events)))

    def count(transaction: Transaction) -> int:
        current = transaction.get(key("counter"))
        value = 1 + (current.object()["value"] if current else 0)
        transaction.put(key("counter"), obj("counter", value=value))
        return value

    assert await asyncio.gather(*(store.transact(count) for _ in range(20))) == list(range(1, 21))
    assert batches == [20]


async def test_a_write_that_raises_changes_nothing_and_others_succeed() -> None:
    store = Store(":memory:")

    def bad(transaction: Transaction) -> None:
        transaction.put(key("bad"), obj("bad"))
        raise ValueError("no")

    results = await asyncio.gather(
        put(store, obj("a")), store.transact(bad), put(store, obj("b")), return_exceptions=True
    )
    assert isinstance(results[1], ValueError)
    assert store.get(key("bad")) is None
    assert [stored.version for stored in store.objects("things")] == [1, 2]


@pytest.mark.proves("dry-run")
async def test_a_dry_run_answers_and_leaves_nothing() -> None:
    store = Store(":memory:")
    await put(store, obj("a", data=1))
    undone: list[str] = []

    def work(transaction: Transaction) -> object:
        transaction.when_done(lambda: undone.append("committed"), lambda: undone.append("undone"))
        return transaction.put(key("a"), obj("a", data=2)).object()["data"]

    assert await store.transact(work, dry_run=True) == 2
    stored = store.get(key("a"))
    assert stored is not None
    assert (stored.object()["data"], store.version, undone) == (1, 1, ["undone"])


async def test_a_refused_commit_changes_nothing_and_the_next_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(":memory:")
    await put(store, obj("a"))
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patch.setattr(store._journal, "append", full)
        with pytest.raises(StatusError, match="disk is full"):
            await put(store, obj("b"))
    assert store.get(key("b")) is None
    assert (await put(store, obj("c"))).version == 2


async def test_a_refusal_that_depends_on_a_write_that_was_undone_is_that_write_s_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(":memory:")

    def refuse_a_second(transaction: Transaction) -> None:
        if transaction.get(key("a")) is not None:
            raise LookupError("it exists")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store._journal, "append", full)
        outcomes = await asyncio.gather(put(store, obj("a")), store.transact(refuse_a_second), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StatusError, StatusError]
    await put(store, obj("a"))
    with pytest.raises(LookupError):
        await store.transact(refuse_a_second)


async def test_objects_come_in_order_and_by_namespace() -> None:
    store = Store(":memory:")
    for namespace, name in [("b", "2"), ("a", "9"), ("b", "1"), ("ab", "0"), ("a-b", "5")]:
        await put(store, obj(name, namespace))
    everything = [(s.key.namespace, s.key.name) for s in store.objects("things")]
    assert everything == [("a", "9"), ("a-b", "5"), ("ab", "0"), ("b", "1"), ("b", "2")]
    assert [s.key.name for s in store.objects("things", "b")] == ["1", "2"]
    assert store.objects("things", "nothing") == []


@pytest.mark.proves("history-window")
async def test_old_versions_can_be_read_until_they_are_compacted() -> None:
    clock = Clock()
    store = Store(":memory:", window=Window(seconds=10, events=100), clock=clock)
    await put(store, obj("a"))
    await put(store, obj("b"))
    await remove(store, "a")
    assert [names(store, version) for version in range(4)] == [[], ["a"], ["a", "b"], ["b"]]
    clock.now = 11
    await put(store, obj("c"))
    assert names(store, 3) == ["b"]
    with pytest.raises(ExpiredError):
        store.at("things", "", 2)


@pytest.mark.proves("history-window")
async def test_the_number_of_events_is_bounded() -> None:
    store = Store(":memory:", window=Window(seconds=1000, events=3))
    for count in range(10):
        await put(store, obj("a", count=count))
    assert store.floor == 7
    assert [event.version for event in store.events_after("things", 7)] == [8, 9, 10]


async def test_the_bytes_of_the_history_are_bounded() -> None:
    store = Store(":memory:", window=Window(bytes=50_000))
    for count in range(10):
        await put(store, obj("a", count=count, data="x" * 10_000))
    assert [event.version for event in store.events_after("things", store.floor)] == [7, 8, 9, 10]
    await put(store, obj("large", data="x" * 100_000))
    await put(store, obj("b"))
    assert [event.version for event in store.events_after("things", store.floor)] == [12]


async def test_reached_waits_for_a_version() -> None:
    store = Store(":memory:")
    waiting = asyncio.create_task(store.reached(1, 5))
    await asyncio.sleep(0)
    await put(store, obj("a"))
    assert await waiting
    assert not await store.reached(2, 0.01)


@pytest.mark.proves("versions-grow")
async def test_objects_history_and_counter_are_restored_after_a_restart(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    store = Store(path)
    await put(store, obj("a", labels={"x": "1"}))
    await put(store, obj("b"))
    await put(store, obj("a", labels={"x": "2"}))
    await remove(store, "b")
    before = [list(store.at("things", "", version).objects) for version in range(5)]
    await store.close()
    again = Store(path)
    assert [list(again.at("things", "", version).objects) for version in range(5)] == before
    assert [(e.old, e.new, e.removed) for e in again.events_after("things", 2)] == [
        (before[1][0], before[3][0], False),
        (before[2][1], again.events_after("things", 3)[0].new, True),
    ]
    assert (await put(again, obj("c"))).version == 5


@pytest.mark.proves("versions-grow")
async def test_the_counter_never_decreases_even_when_the_last_write_is_lost(tmp_path: Path) -> None:
    path, clock = str(tmp_path / "store.db"), Clock()
    store = Store(path, window=Window(seconds=1, events=2), clock=clock)
    await put(store, obj("a"))
    await remove(store, "a")
    clock.now = 5
    await put(store, obj("b"))
    await remove(store, "b")
    clock.now = 10
    await put(store, obj("c"))
    await remove(store, "c")
    await store.close()
    again = Store(path, window=Window(seconds=1, events=2))
    assert (again.version, again.floor) == (6, 4)
    with pytest.raises(ExpiredError):
        again.events_after("things", 3)
    rows = sqlite3.connect(path)
    await again.close()
    assert rows.execute("SELECT count(*) FROM revision").fetchone() == (2,)
    rows.close()


def test_a_second_server_on_one_store_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    first = Store(path)
    with pytest.raises(JournalError, match="another API server"):
        Store(path)
    assert first.version == 0


@pytest.mark.proves("bad-database")
@pytest.mark.parametrize("content", [b"not a database" * 100, b"\0" * 4096])
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"store\.db"):
        Store(str(path))


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(JournalError, match="not a store"):
        Store(str(path))


async def test_events_of_one_commit_come_in_order() -> None:
    store = Store(":memory:")
    reported: list[int] = []

    def listen(events: Sequence[Event]) -> None:
        reported.extend(event.version for event in events)

    store.subscribe(listen)
    await asyncio.gather(*(put(store, obj(str(count))) for count in range(30)))
    assert reported == list(range(1, 31))
