"""A full disk, a killed process, a damaged file: nothing acknowledged is lost, and nothing is hidden."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.storage.journal import JournalError
from podwire.apiserver.storage.revisions import Event
from podwire.apiserver.storage.store import Store
from podwire.kernel import namespaces
from tests.apiserver.builders import obj, put
from tests.sandbox import sandboxed

SMALL_DISK = Path("/run/disk")

WRITER = """
import asyncio, sys
from podwire.apiserver.base.status import StatusError
from podwire.apiserver.storage.store import Store
from tests.apiserver.builders import obj, put

async def main():
    store = Store(sys.argv[1], durable=sys.argv[3] == "durable")
    print("ready", flush=True)
    async def write(writer):
        for count in range(100_000):
            name = f"{sys.argv[2]}-{writer}-{count}"
            try:
                stored = await put(store, obj(name, data="x" * 500))
            except StatusError:
                await asyncio.sleep(0.001)
            else:
                print(name, stored.version, flush=True)
    await asyncio.gather(*(write(writer) for writer in range(4)))

asyncio.run(main())
"""


def small_disk() -> str:
    """A store on a disk of 2 MB."""
    SMALL_DISK.mkdir()
    namespaces.mount("none", str(SMALL_DISK), "tmpfs", data="size=2m")
    return str(SMALL_DISK / "store.db")


async def fill(store: Store, begin: str) -> list[str]:
    """Write until the disk is full; the names that were acknowledged."""
    written: list[str] = []

    async def write() -> None:
        while len(written) < 100_000:
            stored = await put(store, obj(f"{begin}-{len(written)}", data="x" * 5000))
            written.append(stored.key.name)

    with pytest.raises(StatusError, match="free space") as refusal:
        await write()
    assert (refusal.value.code, refusal.value.reason) == (500, "InternalError")
    assert "nothing was changed" in refusal.value.message
    return written


@pytest.mark.proves("bad-full-disk")
@sandboxed
async def test_a_full_disk_refuses_writes_and_the_server_continues() -> None:
    path = small_disk()
    filler = SMALL_DISK / "filler"
    filler.write_bytes(b"x" * 500_000)
    store = Store(path)
    written = await fill(store, "first")
    assert [stored.key.name for stored in store.objects("things")] == sorted(written)
    version = store.version
    await fill(store, "still full")
    filler.unlink()
    after = await put(store, obj("after"))
    assert after.version > version
    written += [stored.key.name for stored in store.objects("things") if stored.version > version]
    await store.close()
    again = Store(path)
    assert [stored.key.name for stored in again.objects("things")] == sorted(written)


@pytest.mark.proves("bad-full-disk")
@sandboxed
async def test_a_store_on_a_full_disk_can_be_opened_and_read() -> None:
    path = small_disk()
    store = Store(path)
    written = await fill(store, "a")
    with pytest.raises(OSError, match="No space left"):
        (SMALL_DISK / "filler").write_bytes(b"x" * 3_000_000)
    await store.close()
    again = Store(path)
    assert [stored.key.name for stored in again.objects("things")] == sorted(written)
    (SMALL_DISK / "filler").unlink()
    await put(again, obj("b"))


@pytest.mark.proves("bad-full-disk")
@sandboxed
async def test_kill_9_on_a_full_disk_loses_nothing() -> None:
    path = small_disk()
    await killed_rounds(path, 3, lambda reported: len(reported) >= 200)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.proves("bad-full-disk")
@sandboxed
async def test_kill_9_on_a_full_disk_loses_nothing_in_many_rounds() -> None:
    SMALL_DISK.mkdir()
    namespaces.mount("none", str(SMALL_DISK), "tmpfs", data="size=8m")
    await killed_rounds(str(SMALL_DISK / "store.db"), 60, lambda reported: len(reported) >= random.randrange(200))


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("durability", ["durable", "plain"])
async def test_kill_9_loses_nothing_in_many_rounds(tmp_path: Path, durability: str) -> None:
    await killed_rounds(
        str(tmp_path / "store.db"), 60, lambda reported: len(reported) >= random.randrange(400), durability
    )


async def killed_rounds(
    path: str, rounds: int, enough: Callable[[list[bytes]], bool], durability: str = "plain"
) -> None:
    """Start writers and kill them, again and again; whatever was acknowledged is there afterwards."""
    acknowledged: dict[str, int] = {}
    for number in range(rounds):
        arguments = (sys.executable, "-c", WRITER, path, str(number), durability)
        writer = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        assert writer.stdout is not None
        assert await asyncio.wait_for(writer.stdout.readline(), 60) == b"ready\n"
        reported: list[bytes] = []
        while not enough(reported):
            try:
                reported.append(await asyncio.wait_for(writer.stdout.readline(), 2))
            except TimeoutError:  # the disk is full: nothing more is acknowledged
                break
        writer.kill()
        reported += [line async for line in writer.stdout]
        await writer.wait()
        acknowledged.update((name, int(version)) for name, version in (line.split() for line in _whole(reported)))
        store = Store(path)
        found = {stored.key.name: stored.version for stored in store.objects("things")}
        assert acknowledged.items() <= found.items()
        await store.close()
    assert acknowledged


def _whole(lines: list[bytes]) -> list[str]:
    return [line.decode() for line in lines if line.endswith(b"\n")]


async def test_a_failing_listener_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    store, received = Store(":memory:"), list[Event]()

    def broken(_: object) -> None:
        raise RuntimeError("broken")

    store.subscribe(broken)
    store.subscribe(received.extend)
    async with asyncio.timeout(60):
        await put(store, obj("a"))
    assert [event.key.name for event in received] == ["a"]
    assert "a listener failed at version 1" in caplog.text


def left_by_kill(folder: Path) -> Path:
    """The files of a store whose process was killed: 40 objects, the newest of them in the log only."""
    path = folder / "live" / "store.db"
    path.parent.mkdir()

    async def write() -> None:
        store = Store(str(path))
        for count in range(20):
            await put(store, obj(f"a-{count:02}", data="x" * 3000))
        store._journal._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        for count in range(20):
            await put(store, obj(f"b-{count:02}", data="y" * 300))
        shutil.copytree(path.parent, folder / "dead")
        await store.close()

    asyncio.run(write())
    return folder / "dead" / "store.db"


def names(path: Path) -> list[str]:
    store = Store(str(path))
    found = [stored.key.name for stored in store.objects("things")]
    asyncio.run(store.close())
    return found


ALL = [f"{letter}-{count:02}" for letter in "ab" for count in range(20)]


def test_what_a_killed_process_left_is_whole(tmp_path: Path) -> None:
    path = left_by_kill(tmp_path)
    assert names(path) == ALL
    assert names(path) == ALL


def wal(path: Path) -> Path:
    return path.with_name("store.db-wal")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "an empty file": lambda path: path.write_bytes(b""),
    "a truncated file": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "a file of zeros": lambda path: path.write_bytes(bytes(20_000)),
    "a file of noise": lambda path: path.write_bytes(random.Random(1).randbytes(20_000)),
    "a missing log": lambda path: wal(path).unlink(),
    "an empty log": lambda path: wal(path).write_bytes(b""),
    "a log of noise": lambda path: wal(path).write_bytes(random.Random(2).randbytes(20_000)),
    "a missing file": lambda path: path.rename(path.with_name("old.db")),
    "a log that was cut off": lambda path: wal(path).write_bytes(wal(path).read_bytes()[:10_000]),
    "nothing but the commit mark": lambda path: (wal(path).write_bytes(b""), path.rename(path.with_name("old.db"))),
}


def changed(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


@pytest.mark.proves("bad-database")
@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_damage_is_a_refusal_that_names_the_file(tmp_path: Path, damage: str) -> None:
    path = left_by_kill(tmp_path)
    DAMAGES[damage](path)
    for _ in range(2):
        with pytest.raises(JournalError, match=r"store\.db: .*(restore a copy|name another file)"):
            Store(str(path))


@pytest.mark.proves("bad-database")
def test_a_row_that_was_changed_is_a_refusal(tmp_path: Path) -> None:
    path = left_by_kill(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE revision SET body = CAST(replace(body, 'x', 'z') AS BLOB) WHERE version = 7")
    with pytest.raises(JournalError, match=r"store\.db: the store is damaged .*version 7"):
        Store(str(path))


@pytest.mark.proves("bad-database")
@pytest.mark.parametrize("number", range(60))
def test_overwritten_bytes_are_detected(tmp_path: Path, number: int) -> None:
    """Wherever it was: either the store is refused, or everything in it is as it was written."""
    path, chance = left_by_kill(tmp_path), random.Random(number)
    content = path.read_bytes()
    at = chance.randrange(100, len(content) - 64)
    path.write_bytes(changed(content, at, chance.randbytes(chance.choice((1, 8, 64)))))
    with contextlib.suppress(JournalError):
        assert names(path) == ALL


def test_an_interrupted_start_is_repeated(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    (tmp_path / "store.db.new").write_bytes(b"half")
    assert names(path) == []
    assert names(path) == []
