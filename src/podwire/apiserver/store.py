"""The object store: what stands in memory, every write on disk before it is answered, one version counter for all.

A write is a function of a Transaction. Functions that wait at the same time run one after the other, share one commit
(group commit), and are answered after it. Nobody sees a write before it is committed.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from podwire.apiserver import status
from podwire.apiserver.history import History, Window, superseded
from podwire.apiserver.journal import Journal, Row
from podwire.apiserver.revisions import Event, Key, Stored, decode
from podwire.apiserver.table import Table
from podwire.apiserver.transaction import Batch, Transaction, stored_object

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Listener = Callable[[Sequence[Event]], None]

ResultT = TypeVar("ResultT")

log = logging.getLogger(__name__)

LARGEST_BATCH = 256
"""Writes that share one commit at most, so that readers and watchers get their turn."""


@dataclass(slots=True)
class _Job:
    """A write that waits for its turn, and then for its commit."""

    work: Callable[[Transaction], Any]
    dry_run: bool
    answer: asyncio.Future[Any]
    transaction: Transaction | None = None
    result: Any = None
    error: Exception | None = None


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
        self._pending: list[_Job] = []
        self._flusher: asyncio.Task[None] | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._load()

    @property
    def floor(self) -> int:
        """The oldest version from which events, or the whole state, can still be told."""
        return self._history.floor

    def get(self, key: Key) -> Stored | None:
        """One object as last committed."""
        return self._table(key.storage).get(key)

    def objects(self, storage: str, namespace: str = "") -> list[Stored]:
        """All objects of a storage, or those of one namespace, by namespace and name."""
        return self._table(storage).objects(namespace)

    def at(self, storage: str, namespace: str, version: int) -> list[Stored]:
        """The objects as they were at a version; raises ExpiredError where that is forgotten."""
        return self._table(storage).before(namespace, self.events_after(storage, version))

    def events_after(self, storage: str, version: int) -> list[Event]:
        """What happened to a storage since a version; raises ExpiredError where that is forgotten."""
        if version < self.floor:
            raise status.ExpiredError(f"too old resource version: {version} ({self.floor})")
        return self._history.after(storage, version)

    def subscribe(self, listener: Listener) -> None:
        """Hear of each commit: its events in the order of their versions. Listeners must be quick and never raise."""
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
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[ResultT] = loop.create_future()
        self._pending.append(_Job(work, dry_run, answer))
        if self._flusher is None or self._flusher.done():
            self._flusher = loop.create_task(self._flush())
        return await answer

    async def close(self) -> None:
        """Finish the writes that wait and let the file go."""
        if self._flusher is not None:
            await self._flusher
        self._journal.close()

    async def _flush(self) -> None:
        while self._pending:
            jobs, self._pending = self._pending[:LARGEST_BATCH], self._pending[LARGEST_BATCH:]
            batch = Batch(self.get, self.version)
            for job in jobs:
                _attempt(job, batch)
            error = await self._commit(batch) if batch.events else None
            for job in jobs:
                _answer(job, error)

    async def _commit(self, batch: Batch) -> status.StatusError | None:
        """Write the batch to disk, then make it visible; an error means that nothing was changed."""
        outdated = self._history.outdated(self._clock(), len(batch.events))
        rows = [
            Row(e.version, e.key.storage, e.key.namespace, e.key.name, int(e.removed), e.new.body) for e in batch.events
        ]
        forgotten = [version for event in outdated for version in superseded(event)]
        floor = outdated[-1].version if outdated else self.floor
        try:
            if self._durable:
                await asyncio.to_thread(self._journal.append, rows, forgotten, floor)
            else:
                self._journal.append(rows, forgotten, floor)
        except Exception as error:  # whatever it is: who waits for an answer must get one
            log.error("%d writes are refused: the store cannot be written: %s", len(rows), error)  # noqa: TRY400
            return status.internal(f"the store cannot be written: {error}; nothing was changed{_remedy(error)}")
        self._history.forget(outdated)
        self._publish(batch.events)
        return None

    def _publish(self, events: Sequence[Event]) -> None:
        now = self._clock()
        for event in events:
            self._apply(event)
            self._history.append(event, now)
        self.version = events[-1].version
        for listener in self._listeners:
            try:
                listener(events)
            except Exception:  # the write is done, and the others must hear of it
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


def _remedy(error: Exception) -> str:
    """What to do; SQLite says of a full disk sometimes that it is full, sometimes only that writing failed."""
    full = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE}
    code = getattr(error, "sqlite_errorcode", 0)
    return "; free space where the store is, then try again" if code in full else ""


def _attempt(job: _Job, batch: Batch) -> None:
    """Run one write on top of the batch; what it staged joins the batch only when it did not raise."""
    job.transaction = Transaction(batch, dry_run=job.dry_run)
    try:
        job.result = job.work(job.transaction)
    except Exception as error:
        job.error = error
    if job.error is None and not job.dry_run:
        batch.take(job.transaction)
    else:
        job.transaction.finish(committed=False)


def _answer(job: _Job, error: status.StatusError | None) -> None:
    """Tell one writer how it went."""
    if job.transaction is not None:
        job.transaction.finish(committed=error is None)
    if job.answer.done():
        return
    outcome = job.error or error
    if outcome is not None:
        job.answer.set_exception(outcome)
    else:
        job.answer.set_result(job.result)
