"""Writes of a durable store: acknowledged when the disk has them, never before."""

import asyncio
import os
import select
import sqlite3
import sys
from pathlib import Path

import pytest

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.storage.history import Window
from podwire.apiserver.storage.store import Store
from podwire.apiserver.storage.transaction import Transaction
from podwire.apiserver.storage.wal_sync import WalSync
from tests.apiserver.builders import key, obj, put
from tests.apiserver.conftest import until

WRITER = """
import asyncio, sys
from podwire.apiserver.storage.store import Store
from tests.apiserver.builders import obj, put

async def main():
    store = Store(sys.argv[1])
    async def write(writer):
        for count in range(100_000):
            stored = await put(store, obj(f"{writer}-{count}", data="x" * 500))
            print(writer, count, stored.version, flush=True)
    await asyncio.gather(*(write(writer) for writer in range(4)))

asyncio.run(main())
"""


@pytest.mark.proves("durable-writes", "versions-grow")
async def test_acknowledged_writes_survive_kill_9(tmp_path: Path) -> None:
    path = str(tmp_path / "store.db")
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, path, stdout=asyncio.subprocess.PIPE)
    assert writer.stdout is not None
    reported = [await writer.stdout.readline() for _ in range(400)]
    writer.kill()
    reported += [line async for line in writer.stdout]
    await writer.wait()
    acknowledged = [line.decode().split() for line in reported if line.endswith(b"\n")]
    store = Store(path)
    for name, count, version in acknowledged:
        found = store.get(key(f"{name}-{count}"))
        assert found is not None
        assert found.version == int(version)
    assert store.version >= max(int(version) for _, _, version in acknowledged)


@pytest.mark.parametrize("kernel", ["offers a sync without a thread", "does not"])
async def test_durable_writes_share_commits_too(tmp_path: Path, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kernel == "does not":
        monkeypatch.setattr("podwire.apiserver.storage.wal_sync._disk", lambda _: None)
    store = Store(str(tmp_path / "store.db"), durable=True)
    batches: list[int] = []
    store.subscribe(lambda events: batches.append(len(events)))
    written = await asyncio.gather(*(put(store, obj(str(count))) for count in range(50)))
    assert sorted(stored.version for stored in written) == list(range(1, 51))
    assert len(batches) < 50
    await store.close()


def held_sync(store: Store, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """The disk takes nothing until the event is set."""
    sync, go_on = store._journal.sync, asyncio.Event()

    async def wait() -> None:
        await go_on.wait()
        await sync()

    monkeypatch.setattr(store._journal, "sync", wait)
    return go_on


async def test_no_durable_write_is_visible_before_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path / "store.db"), durable=True)
    go_on = held_sync(store, monkeypatch)
    first = asyncio.create_task(put(store, obj("a")))
    await until(lambda: store._syncing is not None)
    later = [asyncio.create_task(put(store, obj("a", data=1))), asyncio.create_task(put(store, obj("b")))]
    await asyncio.sleep(0)
    assert (store.version, store.get(key("a")), [task.done() for task in (first, *later)]) == (0, None, [False] * 3)
    go_on.set()
    assert [stored.version for stored in await asyncio.gather(first, *later)] == [1, 2, 3]
    await store.close()
    assert [stored.version for stored in Store(str(tmp_path / "store.db")).objects("things")] == [2, 3]


async def test_a_refusal_for_a_write_is_answered_when_that_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path / "store.db"), durable=True)
    go_on = held_sync(store, monkeypatch)

    def refuse(transaction: Transaction) -> None:
        if transaction.get(key("a")) is not None:
            raise ValueError("it is there")

    first = asyncio.create_task(put(store, obj("a")))
    await until(lambda: store._syncing is not None)
    refused = asyncio.create_task(store.transact(refuse))
    await asyncio.sleep(0)
    assert not refused.done()
    go_on.set()
    with pytest.raises(ValueError, match="it is there"):
        await refused
    assert first.done()
    assert store.get(key("a")) is not None
    await store.close()


async def test_after_a_disk_that_did_not_sync_nothing_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path / "store.db"), durable=True)
    await put(store, obj("a"))
    with monkeypatch.context() as patch:

        async def broken() -> None:
            raise OSError("Input/output error")

        patch.setattr(store._journal, "sync", broken)
        outcomes = await asyncio.gather(put(store, obj("b")), put(store, obj("c")), return_exceptions=True)
    assert all(isinstance(one, StatusError) and one.code == 500 for one in outcomes)
    with pytest.raises(StatusError, match="start the API server again"):
        await put(store, obj("d"))
    assert [stored.key.name for stored in store.objects("things")] == ["a"]
    assert "start the API server again" in store.lost
    await store.close()


async def test_the_log_of_a_durable_store_does_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podwire.apiserver.storage.journal.LARGEST_LOG", 200_000)
    path = tmp_path / "store.db"
    store = Store(str(path), durable=True, window=Window(events=10))
    for count in range(100):
        await put(store, obj("a", count=count, data="x" * 20_000))
    assert path.with_name("store.db-wal").stat().st_size < 800_000
    await store.close()
    assert [stored.object()["count"] for stored in Store(str(path)).objects("things")] == [99]


async def test_a_refusal_that_rests_on_a_lost_write_is_a_failure_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(str(tmp_path / "store.db"), durable=True)

    async def broken() -> None:
        raise OSError("Input/output error")

    def refuse(transaction: Transaction) -> None:
        if transaction.get(key("a")) is not None:
            raise StatusError(409, "AlreadyExists", "it exists")

    monkeypatch.setattr(store._journal, "sync", broken)
    write, refused = await asyncio.gather(put(store, obj("a")), store.transact(refuse), return_exceptions=True)
    for outcome in (write, refused):
        assert isinstance(outcome, StatusError)
        assert outcome.code == 500
        assert "known after a restart" in outcome.message
        assert "nothing was changed" not in outcome.message
    await store.close()


async def test_a_refusal_that_rests_on_an_undone_write_is_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(":memory:")

    def refuse(transaction: Transaction) -> None:
        if transaction.get(key("a")) is not None:
            raise StatusError(409, "AlreadyExists", "it exists")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store._journal, "append", full)
        outcomes = await asyncio.gather(put(store, obj("a")), store.transact(refuse), return_exceptions=True)
    assert [outcome.code for outcome in outcomes if isinstance(outcome, StatusError)] == [500, 500]
    await store.transact(refuse)  # nothing exists: nothing is refused
    await put(store, obj("a"))
    with pytest.raises(StatusError, match="it exists"):
        await store.transact(refuse)


async def test_the_names_of_new_files_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
    await Store(str(tmp_path / "memory.db")).close()
    assert synced == []
    await Store(str(tmp_path / "store.db"), durable=True).close()
    assert synced == [str(tmp_path)]


async def test_a_sync_whose_caller_was_cancelled_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "wal"
    path.write_bytes(b"x")
    log = WalSync(str(path))
    if log._disk is None:
        pytest.skip("this kernel offers no asynchronous fdatasync")
    caller = asyncio.create_task(log.sync())
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await log.sync()
    assert select.select([log._disk.descriptor], [], [], 0)[0] == []
    log.close()
