"""Revisions on disk: one SQLite file in WAL mode, one row a write, one transaction a batch.

A row stays while it is an object's present state, or while the event that replaced it is in the history. So both the
objects and the history of watches stand again after a restart, from one table.

With `durable=False` (synchronous=NORMAL) a committed batch survives the death of the process; with True (FULL) that of
the machine too, at one fsync a batch.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

APPLICATION_ID = 0x706F6477
"""`podw`: marks the file as a podwire store."""

LAYOUT = 1

_TABLES = """
CREATE TABLE revision (
  version INTEGER PRIMARY KEY,
  storage TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  removed INTEGER NOT NULL,
  body BLOB NOT NULL
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


class Journal:
    """The store's file. One process holds it; raises JournalError when another does or when it is damaged."""

    def __init__(self, path: str, *, durable: bool = False) -> None:
        self._path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
            self._prepare(durable)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def floor(self) -> int:
        """Events up to this version are forgotten."""
        found: tuple[int] = self._connection.execute("SELECT version FROM floor").fetchone()
        return found[0]

    def rows(self) -> Iterator[Row]:
        """All revisions that are kept, oldest first."""
        try:
            yield from map(Row._make, self._connection.execute("SELECT * FROM revision ORDER BY version"))
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def append(self, rows: Iterable[Row], forgotten: Iterable[int], floor: int) -> None:
        """Write a batch whole or not at all; raises sqlite3.Error when the disk refuses."""
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT INTO revision VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._connection.executemany("DELETE FROM revision WHERE version = ?", ((one,) for one in forgotten))
            execute("UPDATE floor SET version = ? WHERE version < ?", (floor, floor))
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let the file go. Nothing is lost without it."""
        self._connection.close()

    def _prepare(self, durable: bool) -> None:
        execute = self._connection.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("PRAGMA journal_mode = WAL")
        execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        found, layout = (execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if found == 0 and not execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            stamp = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT};"
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} {stamp} COMMIT;")
        elif (found, layout) != (APPLICATION_ID, LAYOUT):
            raise JournalError(f"{self._path}: not a store of this version of podwire; name another file")
        execute("BEGIN IMMEDIATE")
        execute("COMMIT")

    def _unusable(self, error: sqlite3.Error) -> JournalError:
        if "locked" in str(error):
            return JournalError(f"{self._path}: another API server holds this store; stop it or name another file")
        return JournalError(f"{self._path}: the store cannot be read ({error}); restore a copy or name another file")
