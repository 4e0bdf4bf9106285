"""The object store: objects in memory, every write on disk before its answer, one version counter for all.

A write is a function of a Transaction. It runs at once, on top of the writes before it; those that come while a commit
is on its way share the next one (group commit), and all are answered after theirs. No write is visible before it is
committed, and a refusal that depends on one is answered only then.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from podwire.apiserver.base import status
from podwire.apiserver.base.encoding import decode
from podwire.apiserver.storage.history import History, Window, superseded
from podwire.apiserver.storage.journal import Journal, Row
from podwire.apiserver.storage.revisions import Event, Key, Stored
from podwire.apiserver.storage.table import Part, Table
from podwire.apiserver.storage.transaction import Batch, Transaction, stored_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Listener = Callable[[Sequence[Event]], None]

ResultT = TypeVar("ResultT")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Round:
    """The writes that share one commit, and the futures that wait for it."""

    batch: Batch
    transactions: list[Transaction] = field(default_factory=list)
    waiting: list[asyncio.Future[status.StatusError | None]] = field(default_factory=list)


class Store:
    """All objects. Open it with a path (`:memory:` for tests); raises JournalError when the file cannot be used."""

    def __init__(
        self,
        path: str,
        *,
        durable: bool = False,
        window: Window | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.version = 0
        self._durable = durable
        self._clock = clock
        self._tables: dict[str, Table] = {}
        self._journal = Journal(path, durable=durable)
        self._history = History(window or Window(), self._journal.floor())
        self._listeners: list[Listener] = []
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._load()
        self._round = _Round(Batch(self.get, self.version))
        self._planned = False
        self._syncing: _Round | None = None
        self._syncer: asyncio.Task[None] | None = None
        self._lost = ""

    @property
    def floor(self) -> int:
        """The oldest version from which events, or the whole state, can still be read."""
        return self._history.floor

    @property
    def lost(self) -> str:
        """Why nothing more can be written until the process is started again; empty where all is well."""
        return self._lost

    def get(self, key: Key) -> Stored | None:
        """One object as last committed."""
        return self._table(key.storage).get(key)

    def objects(self, storage: str, namespace: str = "") -> list[Stored]:
        """All objects of a storage, or those of one namespace, by namespace and name."""
        return self._table(storage).objects(namespace)

    def counts(self) -> dict[str, int]:
        """How many objects each storage has."""
        return {storage: len(table) for storage, table in self._tables.items()}

    def at(self, storage: str, namespace: str, version: int, after: Key | None = None) -> Part:
        """The objects behind a key as they were at a version; raises ExpiredError where that is removed.

        Take them before the next await.
        """
        events = () if version == self.version else self.events_after(storage, version)
        return self._table(storage).part(namespace, after, events)

    def events_after(self, storage: str, version: int) -> list[Event]:
        """What happened to a storage since a version; raises ExpiredError where that is removed."""
        if version < self.floor:
            raise status.ExpiredError(f"too old resource version: {version} ({self.floor})")
        return self._history.after(storage, version)

    def subscribe(self, listener: Listener) -> None:
        """Call a listener with the events of each commit, in order. Listeners must be quick and never raise."""
        self._listeners.append(listener)

    async def reached(self, version: int, seconds: float) -> bool:
        """Wait until the store has come to a version; False when it did not in time."""
        if self.version >= version:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((version, waiter))
        try:
            await asyncio.wait_for(waiter, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.remove((version, waiter))
        return True

    async def transact(self, work: Callable[[Transaction], ResultT], *, dry_run: bool = False) -> ResultT:
        """Run a write; its result comes once it is on disk. What it raises is raised here, nothing is stored then."""
        round_ = self._round
        transaction = Transaction(round_.batch, dry_run=dry_run)
        try:
            result = work(transaction)
        except Exception:
            transaction.finish(committed=False)
            if error := await self._settled(round_):  # the refusal may rest on a write that was undone
                raise error from None
            raise
        if dry_run:
            transaction.finish(committed=False)
        else:
            round_.batch.take(transaction)
            round_.transactions.append(transaction)
        if error := await self._settled(round_):
            raise error
        return result

    async def close(self) -> None:
        """Finish the waiting writes and close the file."""
        while self._round.transactions or self._syncing is not None:
            await self._settled(self._round)
        self._journal.close()

    def abandon(self) -> None:
        """Close the file at once; only for a store without waiting writes."""
        self._journal.close()

    async def _settled(self, round_: _Round) -> status.StatusError | None:
        """Wait until all is on disk that a write of this round has seen; an error means that it is not."""
        last = round_ if round_.transactions else self._syncing
        if last is None:
            return None
        answer: asyncio.Future[status.StatusError | None] = asyncio.get_running_loop().create_future()
        last.waiting.append(answer)
        self._plan()
        return await answer

    def _plan(self) -> None:
        """Commit when all have had their turn that are ready now; one commit at a time."""
        if not self._planned and self._syncing is None:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._commit)

    def _commit(self) -> None:
        """Write the round that is open, and open the next one."""
        self._planned = False
        closed = self._round
        error = self._append(closed.batch.events)
        if error is not None or not (self._durable and closed.batch.events):
            self._end(closed, error)
            self._round = _Round(Batch(self.get, self.version))
            return
        self._round = _Round(Batch(closed.batch.get, closed.batch.version))
        self._syncing = closed
        self._syncer = asyncio.get_running_loop().create_task(self._sync(closed))

    async def _sync(self, round_: _Round) -> None:
        """Wait for the disk, beside the event loop: meanwhile the next round fills."""
        error = None
        try:
            await self._journal.sync()
        except (
            Exception
        ) as failure:  # the content of the disk is unknown now, and another fsync would not show it (fsync(2))
            self._lost = f"the store could not be synced: {failure}; start the API server again"
            error = _unwritable(failure, "whether the change is kept is known after a restart")
        self._syncing = None
        self._end(round_, error)
        self._round.batch.rebase(self.get)
        if self._round.transactions:
            self._plan()

    def _append(self, events: Sequence[Event]) -> status.StatusError | None:
        """Write events to the journal, whole or not at all; returns the error where it was not."""
        if not events:
            return None
        if self._lost:
            return _unwritable(OSError(self._lost))
        try:
            outdated = self._history.outdated(self._clock(), events)
            removed = [version for event in outdated for version in superseded(event)]
            self._journal.append([_row(e) for e in events], removed, outdated[-1].version if outdated else self.floor)
        except Exception as error:  # any error: all waiting futures must get an answer
            return _unwritable(error)
        self._history.remove(outdated)
        return None

    def _end(self, round_: _Round, error: status.StatusError | None) -> None:
        """Publish a round that is committed, and resolve the waiting futures."""
        if round_.batch.events and error is None:
            self._publish(round_.batch.events)
        for transaction in round_.transactions:
            transaction.finish(committed=error is None)
        for answer in round_.waiting:
            if not answer.done():
                answer.set_result(error)

    def _publish(self, events: Sequence[Event]) -> None:
        now = self._clock()
        for event in events:
            self._apply(event)
            self._history.append(event, now)
        self.version = events[-1].version
        for listener in self._listeners:
            try:
                listener(events)
            except Exception:  # the write is done, and the other listeners must get it
                log.exception("a listener failed at version %d", self.version)
        for version, waiter in self._waiting:
            if version <= self.version and not waiter.done():
                waiter.set_result(None)

    def _apply(self, event: Event) -> None:
        table = self._table(event.key.storage)
        if event.removed:
            table.remove(event.key)
        else:
            table.set(event.new)

    def _table(self, storage: str) -> Table:
        found = self._tables.get(storage)
        if found is None:
            found = self._tables[storage] = Table()
        return found

    def _load(self) -> None:
        """Read objects and history back from the journal."""
        now = self._clock()
        for row in self._journal.rows():
            key = Key(row.storage, row.namespace, row.name)
            try:
                new = stored_object(key, row.version, decode(row.body), row.body)
                event = Event(self.get(key), new, removed=bool(row.removed))
                self._apply(event)
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise self._journal.damaged(f"version {row.version} is no object") from error
            if row.version > self.floor:
                self._history.append(event, now)
            self.version = row.version
        self.version = max(self.version, self.floor)


def _row(event: Event) -> Row:
    key = event.key
    return Row(event.version, key.storage, key.namespace, key.name, int(event.removed), event.new.body)


def _unwritable(error: Exception, outcome: str = "nothing was changed") -> status.StatusError:
    log.error("writes are refused: the store cannot be written: %s", error)
    return status.internal(f"the store cannot be written: {error}; {outcome}{_remedy(error)}")


def _remedy(error: Exception) -> str:
    """What to do; SQLite reports a full disk as full, or only as a failed write."""
    full = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE}
    code = getattr(error, "sqlite_errorcode", 0)
    return "; free space where the store is, then try again" if code in full else ""
