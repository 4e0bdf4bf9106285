"""The attachments of a node and the addresses they hold, in SQLite: what was promised survives kill -9.

The write-ahead log is not synchronised to disk at each commit: a crash of the process loses nothing, and with a crash
of the machine the pods themselves are gone. Source: sqlite.org/wal.html, sqlite.org/pragma.html#pragma_synchronous.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sqlite3
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.pods.addresses import FIRST_PLACE, ExhaustedError, Ranges, choose
from podwire.pods.attachment import Attachment, AttachmentKey, PodIdentity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from podwire.kernel.elements import IPAddress

_SCHEMA = """
CREATE TABLE IF NOT EXISTS attachments (
    container TEXT NOT NULL, interface TEXT NOT NULL, netns TEXT NOT NULL,
    pod_namespace TEXT NOT NULL, pod_name TEXT NOT NULL, pod_uid TEXT NOT NULL,
    ready INTEGER NOT NULL, adopted_mac TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (container, interface)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS addresses (
    address TEXT PRIMARY KEY, version INTEGER NOT NULL, container TEXT NOT NULL, interface TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS addresses_of_attachment ON addresses (container, interface);
CREATE TABLE IF NOT EXISTS pools (name TEXT PRIMARY KEY, ranges TEXT NOT NULL, fresh INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS freed_places (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, pool TEXT NOT NULL, place INTEGER NOT NULL, UNIQUE (pool, place)
);
PRAGMA user_version = 3;
"""
"""The pool without a name is that of the node's podCIDRs."""


_BEGIN = """
INSERT OR REPLACE INTO attachments (container, interface, netns, pod_namespace, pod_name, pod_uid, ready, adopted_mac)
VALUES (?, ?, ?, ?, ?, ?, 0, ?)
"""
_ADOPTION = "ALTER TABLE attachments ADD COLUMN adopted_mac TEXT NOT NULL DEFAULT ''"
"""From version 1, which knew no links of other plugins."""
_POOLS = """
BEGIN IMMEDIATE;
INSERT OR REPLACE INTO pools SELECT '', ranges, fresh FROM pool;
INSERT OR IGNORE INTO freed_places (pool, place) SELECT '', place FROM freed ORDER BY sequence;
DROP TABLE pool;
DROP TABLE freed;
COMMIT;
"""
"""From version 2, which knew one pool. A release of then makes its tables again, and they are read again here."""


class TakenError(Exception):
    """An earlier plugin has given an address that another attachment has."""


class StoreError(Exception):
    """The file is no store of addresses, or cannot be read and written."""


class Entry(msgspec.Struct, frozen=True):
    """An attachment and how far it got: `ready` when its ADD was done to the end."""

    attachment: Attachment
    ready: bool


class Store:
    """The store at `path`, made where there is none. One process owns it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _errors(path):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            if self._database.execute("PRAGMA user_version").fetchone() == (1,):
                self._database.execute(_ADOPTION)
            self._database.executescript(_SCHEMA)
            if self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'pool'").fetchone():
                self._database.executescript(_POOLS)
        self._ranges: dict[str, Ranges] = {}

    def close(self) -> None:
        """Close the file; everything is in it already."""
        self._database.close()

    @property
    def ranges(self) -> Ranges | None:
        """The ranges of the node that are of no named pool; None until `use` was called for them in this process."""
        return self._ranges.get("")

    def ranges_of(self, pool: str) -> Ranges | None:
        """The ranges that new addresses of a pool come from; None where the node has none."""
        return self._ranges.get(pool)

    def use(self, ranges: Ranges, pool: str = "") -> None:
        """Give out addresses of these ranges from now on. Attachments keep the addresses they have."""
        with self._transaction():
            known = self._known_ranges(pool)
            if known != ranges:
                self._database.execute("DELETE FROM freed_places WHERE pool = ?", (pool,))
                self._database.execute(
                    "INSERT OR REPLACE INTO pools (name, ranges, fresh) VALUES (?, ?, ?)",
                    (pool, str(ranges), FIRST_PLACE),
                )
        self._ranges[pool] = ranges

    def disuse(self, pool: str) -> None:
        """Give out no more addresses of a pool. No error if it is not in use."""
        self._ranges.pop(pool, None)

    def reserve(self, key: AttachmentKey, pod: PodIdentity, netns: str, pool: str = "") -> Attachment:
        """Addresses for an attachment that is about to be made. One that has addresses already keeps them.

        Raises ExhaustedError when none is free. `use` must have been called for the pool.
        """
        with self._transaction():
            self._database.execute(_BEGIN, (key.container, key.interface, netns, pod.namespace, pod.name, pod.uid, ""))
            addresses = self._addresses(key) or self._take(pool, key)
        return Attachment(key, pod, netns, addresses)

    def adopt(self, attachment: Attachment) -> None:
        """Record an attachment whose addresses an earlier plugin of the chain gave, in place of what was known of it.

        Raises TakenError where another attachment has one of them.
        """
        key, pod = attachment.key, attachment.pod
        owner = (key.container, key.interface)
        with self._transaction():
            for address in attachment.addresses:
                row = self._database.execute(
                    "SELECT container, interface FROM addresses WHERE address = ?", (str(address),)
                ).fetchone()
                if row is not None and row != owner:
                    raise TakenError(f"{address} is still the address of container {row[0]}")
            self._database.execute(
                _BEGIN, (*owner, attachment.netns, pod.namespace, pod.name, pod.uid, attachment.adopted_mac)
            )
            self._database.execute("DELETE FROM addresses WHERE container = ? AND interface = ?", owner)
            self._insert(key, attachment.addresses)

    def finish(self, key: AttachmentKey) -> None:
        """Record that the attachment is complete: from now on it is kept over restarts."""
        self._database.execute(
            "UPDATE attachments SET ready = 1 WHERE container = ? AND interface = ?", (key.container, key.interface)
        )

    def release(self, key: AttachmentKey) -> None:
        """Remove an attachment; its addresses go to the end of the queue. No error if it is not known.

        It may be called before `use`: the file knows the ranges that its free addresses belong to.
        """
        with self._transaction():
            places = set(self._places(self._addresses(key)))
            owner = (key.container, key.interface)
            self._database.execute("DELETE FROM addresses WHERE container = ? AND interface = ?", owner)
            self._database.execute("DELETE FROM attachments WHERE container = ? AND interface = ?", owner)
            for pool, place in sorted(places):
                self._database.execute("INSERT OR REPLACE INTO freed_places (pool, place) VALUES (?, ?)", (pool, place))

    def find(self, key: AttachmentKey) -> Entry | None:
        """What is known of an attachment."""
        row = self._database.execute(
            "SELECT * FROM attachments WHERE container = ? AND interface = ?", (key.container, key.interface)
        ).fetchone()
        return None if row is None else self._entry(row)

    def entries(self) -> list[Entry]:
        """All attachments, by container and interface."""
        rows = self._database.execute("SELECT * FROM attachments ORDER BY container, interface").fetchall()
        return [self._entry(row) for row in rows]

    @property
    def exhausted(self) -> bool:
        """Whether the next new attachment that is of no named pool would find no address."""
        try:
            self._choose("") if self.ranges else None
        except ExhaustedError:
            return True
        return False

    def _entry(self, row: tuple[str, str, str, str, str, str, int, str]) -> Entry:
        key = AttachmentKey(row[0], row[1])
        return Entry(Attachment(key, PodIdentity(*row[3:6]), row[2], self._addresses(key), row[7]), bool(row[6]))

    def _addresses(self, key: AttachmentKey) -> tuple[IPAddress, ...]:
        rows = self._database.execute(
            "SELECT address FROM addresses WHERE container = ? AND interface = ? ORDER BY version",
            (key.container, key.interface),
        )
        return tuple(ipaddress.ip_address(address) for (address,) in rows)

    def _places(self, addresses: tuple[IPAddress, ...]) -> Iterator[tuple[str, int]]:
        """The pool and place of each address that is of a pool."""
        for name, text in self._database.execute("SELECT name, ranges FROM pools").fetchall():
            ranges = Ranges.parse(text)
            for address in addresses:
                place = ranges.place(address)
                if place is not None:
                    yield name, place

    def _known_ranges(self, pool: str) -> Ranges | None:
        """The ranges that free addresses of a pool belong to; None before the first `use` of this file."""
        row = self._database.execute("SELECT ranges FROM pools WHERE name = ?", (pool,)).fetchone()
        return None if row is None else Ranges.parse(row[0])

    def _take(self, pool: str, key: AttachmentKey) -> tuple[IPAddress, ...]:
        place = self._choose(pool)
        addresses = self._ranges[pool].addresses(place)
        self._insert(key, addresses)
        self._database.execute("DELETE FROM freed_places WHERE pool = ? AND place = ?", (pool, place))
        self._database.execute("UPDATE pools SET fresh = max(fresh, ?) WHERE name = ?", (place + 1, pool))
        return addresses

    def _insert(self, key: AttachmentKey, addresses: tuple[IPAddress, ...]) -> None:
        self._database.executemany(
            "INSERT INTO addresses (address, version, container, interface) VALUES (?, ?, ?, ?)",
            [(str(address), address.version, key.container, key.interface) for address in addresses],
        )

    def _choose(self, pool: str) -> int:
        ranges, freed = self._ranges[pool], _Freed(self._database, pool)
        (fresh,) = self._database.execute("SELECT fresh FROM pools WHERE name = ?", (pool,)).fetchone()
        return choose(ranges, fresh, freed, lambda place: self._is_taken(ranges, place), pool)

    def _is_taken(self, ranges: Ranges, place: int) -> bool:
        addresses = [str(address) for address in ranges.addresses(place)]
        marks = ", ".join("?" * len(addresses))
        query = f"SELECT 1 FROM addresses WHERE address IN ({marks})"  # noqa: S608  (only question marks are put in)
        return self._database.execute(query, addresses).fetchone() is not None

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


class _Freed(Collection[int]):
    """The freed places of a pool, the oldest first, read only as far as they are consumed."""

    def __init__(self, database: sqlite3.Connection, pool: str) -> None:
        self._database = database
        self._pool = pool

    def __contains__(self, place: object) -> bool:
        return self._row("SELECT 1 FROM freed_places WHERE pool = ? AND place = ?", place) is not None

    def __iter__(self) -> Iterator[int]:
        query = "SELECT place FROM freed_places WHERE pool = ? ORDER BY sequence"
        return (place for (place,) in self._database.execute(query, (self._pool,)))

    def __len__(self) -> int:
        return int(self._row("SELECT count(*) FROM freed_places WHERE pool = ?")[0])

    def _row(self, query: str, *more: object) -> Any:
        return self._database.execute(query, (self._pool, *more)).fetchone()


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"the address store {path} cannot be used: {error}; when no pod runs on this node it can be removed"
        ) from error
