"""Revisions on disk: one SQLite file in WAL mode, one row a write, one transaction a batch.

A row stays while it is an object's present state, or while the event that replaced it is in the history. So both the
objects and the history of watches are restored after a restart from one table.

A batch that `append` wrote survives the death of the process; once `sync` has returned, that of the machine too.

What was damaged from outside is refused, never read as less than was acknowledged: rows bear a checksum, SQLite checks
its pages, a new file appears under its name only when it is whole, and a commit mark has the newest version.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from podwire.apiserver.storage.commit_mark import CommitMark
from podwire.apiserver.storage.wal_sync import WalSync

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

APPLICATION_ID = 0x706F6477
"""`podw`: marks the file as a podwire store."""

LAYOUT = 2
MEMORY = ":memory:"

LARGEST_LOG = 4 * 1024 * 1024
"""Bytes of objects in the log from which on it is moved into the file: about SQLite's own default of 1,000 pages."""

_TABLES = """
CREATE TABLE revision (
  version INTEGER PRIMARY KEY,
  storage TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  removed INTEGER NOT NULL,
  body BLOB NOT NULL,
  checksum INTEGER NOT NULL
);
CREATE TABLE floor (version INTEGER NOT NULL);
INSERT INTO floor VALUES (0);
"""


class JournalError(Exception):
    """The file cannot be used. The message names it and what to do."""


class Row(NamedTuple):
    """One revision as it is on disk."""

    version: int
    storage: str
    namespace: str
    name: str
    removed: int
    body: bytes

    @property
    def checksum(self) -> int:
        """CRC-32 of all values."""
        text = "\0".join((str(self.version), self.storage, self.namespace, self.name, str(self.removed)))
        return zlib.crc32(self.body, zlib.crc32(text.encode("utf-8", "surrogatepass")))


class Journal:
    """The store's file. One process holds it; raises JournalError when another does or when it is damaged."""

    def __init__(self, path: str, *, durable: bool = False) -> None:
        self._path = path
        self._appended = self._in_log = 0
        try:
            self._commit_mark = CommitMark(None if path == MEMORY else Path(f"{path}-version"))
            self._connection = self._opened()
            self._prepare(durable)
            self._floor = self.floor()
            self._wal = WalSync(f"{path}-wal") if durable and path != MEMORY else None
            if self._wal is not None:
                _sync_folder(Path(path).parent)
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error

    def floor(self) -> int:
        """Events up to this version are removed."""
        found: tuple[int] = self._connection.execute("SELECT version FROM floor").fetchone()
        return found[0]

    def rows(self) -> Iterator[Row]:
        """All revisions that are kept, oldest first. Raises JournalError where one is missing or was changed."""
        newest = self.floor()
        try:
            for *values, checksum in self._connection.execute("SELECT * FROM revision ORDER BY version"):
                row = Row._make(values)
                if row.checksum != checksum:
                    raise self.damaged(f"the checksum of version {row.version} is another one")
                newest = row.version
                yield row
        except (sqlite3.Error, TypeError, UnicodeError) as error:
            raise self._unusable(error) from error
        if newest < self._commit_mark.version:
            raise self.damaged(f"version {self._commit_mark.version} was acknowledged, the newest found is {newest}")

    def damaged(self, why: str) -> JournalError:
        """What to raise when the content is not what a store holds."""
        return JournalError(f"{self._path}: the store is damaged ({why}); {_REMEDY}")

    def append(self, rows: Sequence[Row], removed: Sequence[int], floor: int) -> None:
        """Write a batch whole or not at all; raises sqlite3.Error when the disk refuses."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            whole = ((*row, row.checksum) for row in rows)
            self._connection.executemany("INSERT INTO revision VALUES (?, ?, ?, ?, ?, ?, ?)", whole)
            if removed:
                self._connection.executemany("DELETE FROM revision WHERE version = ?", ((one,) for one in removed))
            if floor > self._floor:
                execute("UPDATE floor SET version = ?", (floor,))
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        self._floor = max(self._floor, floor)
        self._in_log += sum(len(row.body) for row in rows)
        self._appended = max((row.version for row in rows), default=self._appended)
        if self._wal is None:
            self._commit_mark.note(self._appended)

    async def sync(self) -> None:
        """Make what was appended survive the machine's death; raises OSError. Nothing is appended until it returns.

        Moving the log into the file writes much, and is done here too.
        """
        if self._wal is None:
            return
        await self._wal.sync()
        self._commit_mark.note(self._appended)
        if self._in_log >= LARGEST_LOG:
            self._in_log = 0
            await asyncio.to_thread(self._empty_log)

    def _empty_log(self) -> None:
        with contextlib.suppress(sqlite3.OperationalError):  # all is in the log; it is tried again later
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        """Close the file. Without it nothing is lost."""
        self._connection.close()
        self._commit_mark.close()
        if self._wal is not None:
            self._wal.close()

    def _opened(self) -> sqlite3.Connection:
        """The file, made where it is not there; raises JournalError where it is no store."""
        if self._path == MEMORY:
            connection = _connect(MEMORY)
            connection.executescript(_NEW)
            return connection
        path = Path(self._path)
        if not path.exists():
            _make(path)
        if not path.stat().st_size:
            raise self.damaged("the file is empty")
        connection = _connect(self._path)
        found, layout = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if (found, layout) != (APPLICATION_ID, LAYOUT):
            connection.close()
            raise JournalError(f"{path}: not a store of this version of podwire; name another file")
        return connection

    def _prepare(self, durable: bool) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        if durable:
            execute("PRAGMA wal_autocheckpoint = 0")
        execute("BEGIN IMMEDIATE")
        execute("COMMIT")
        problem = execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise self.damaged(" ".join(problem.split()))

    def _unusable(self, error: Exception) -> JournalError:
        if "locked" in str(error):
            return JournalError(f"{self._path}: another API server holds this store; stop it or name another file")
        return JournalError(f"{self._path}: the store cannot be read ({error}); {_REMEDY}")


_REMEDY = "restore a copy of it with all files beside it, or move them all away to begin with an empty one"
_NEW = f"{_TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT};"


def _connect(path: str) -> sqlite3.Connection:
    """Alone with the file: so there is no file of shared memory either, which a full disk has no room for."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def _sync_folder(folder: Path) -> None:
    """Make the names of new files survive the machine's death: fsync(2) of a file does not cover its entry."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(path: Path) -> None:
    """A new store, under its name only when it is whole: an empty file under that name is always a damaged one."""
    making = path.with_name(f"{path.name}.new")
    making.unlink(missing_ok=True)
    with contextlib.closing(_connect(str(making))) as connection:
        connection.executescript(f"BEGIN IMMEDIATE; {_NEW} COMMIT;")
    making.rename(path)
