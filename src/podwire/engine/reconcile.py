"""The loop: dirty owners -> derive -> difference -> one batch -> sink; with retries, resync and no early pruning."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Hashable
from itertools import islice
from typing import TYPE_CHECKING, Generic

import msgspec

from podwire.engine.row import OwnerT, RowT
from podwire.engine.sink import OrderedSink, RefusedError, SinkError
from podwire.engine.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from podwire.engine.row import Delta
    from podwire.engine.sink import Sink
    from podwire.engine.table import Rank

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 5.0
FIRST_RETRY_REFUSED_SECONDS = 1.0
RETRY_REFUSED_SECONDS = 60.0
"""Times after which refused rows are tried again, from the first to the longest, each twice the one before: the kernel
may have had too little memory for a moment, and a pod without its row is closed."""
OWNERS_A_TURN = 100
"""Owners derived before other tasks get their turn, so that a cold start does not stop the loop."""
OWNERS_A_PART = 500
"""Owners whose rows are written while those of the next ones are derived, at a cold start."""
ROWS_A_PIECE = 200
"""Rows written at once while a refused row is searched for."""
MOST_REFUSED = 64
"""Refusals in one search after which the target itself is taken to be at fault, and no row."""


class Counters(msgspec.Struct):
    """What a reconciler has done since it was made, for metrics."""

    turns: int = 0
    failures: int = 0
    """Batches and read-backs that failed."""
    refused: int = 0
    """Rows that the target refused, each time that it did."""
    repaired: int = 0
    """Rows that something else had removed from the target, changed in it or added to it."""


class Reconciler(Generic[OwnerT, RowT]):
    """Keeps one sink equal to what its owners claim.

    `derive(owner)` returns the rows of an owner from the current objects: none for one that does not exist. Nothing is
    removed from the target before `inputs_synced()` is called. An owner whose `derive` raises keeps the rows that it
    had and stops no other. Nor does a row that the target refuses: after a second failure the batch is written in
    smaller and smaller parts, and the refused row is set aside until it changes or a minute has passed.

    `restore` receives what the target held each time it is read, before anything is derived: those who keep allocations
    find them there again after a restart. `rank` decides between owners that claim different rows under one key.
    `affected` returns owners to derive again when these rows become refused, or are not refused any more.
    `independent`: an owner's rows need none of another owner's: to a target that holds nothing they are
    written in parts, each while the next is derived.
    """

    def __init__(
        self,
        name: str,
        derive: Callable[[OwnerT], Iterable[RowT]],
        sink: Sink[RowT],
        restore: Callable[[Iterable[RowT]], None] | None = None,
        rank: Callable[[OwnerT], Rank] = lambda _: (),
        affected: Callable[[Iterable[RowT]], Iterable[OwnerT]] = lambda _: (),
        *,
        independent: bool = False,
    ) -> None:
        self.name = name
        self.table: Table[OwnerT, RowT] = Table(rank)
        self.counters = Counters()
        self.failure = ""
        """Why the last turn failed; empty when it did not."""
        self._derive = derive
        self._sink = sink
        self._restore = restore
        self._affected = affected
        self._independent = independent
        self._refused: frozenset[RowT] = frozenset()
        self.underivable: dict[OwnerT, str] = {}
        """Owners whose rows cannot be derived now, and why."""
        self._unknown: set[OwnerT] = set()
        """Owners that could not be derived even once: unclaimed rows may be theirs."""
        self._dirty: dict[OwnerT, None] = {}
        self._retry_at: float | None = None
        """When refused rows are written again, by the loop's clock."""
        self._retry_pause = FIRST_RETRY_REFUSED_SECONDS
        self._wake = asyncio.Event()
        self._requested = 1
        """Generation of the newest change; the first is the target's state at the start."""
        self._applied = 0
        """Generation up to which all changes are in the target."""
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._inputs_synced = False
        self._read_back = False
        self._comparing = False
        self.differences: list[str] = []
        """What the last comparison found."""

    def touch(self, *owners: OwnerT) -> None:
        """Derive these owners again soon: they may have changed."""
        for owner in owners:
            self._dirty[owner] = None
        self._changed()

    def inputs_synced(self) -> None:
        """Record that all inputs have been seen once: from now on unclaimed rows are removed."""
        self._inputs_synced = True
        self._changed()

    def read_again(self) -> None:
        """Read the target back soon: something else may have changed it."""
        self._read_back = False
        self._changed()

    def compare(self) -> None:
        """Compare the target soon with what it is known to hold, and write again what differs."""
        self._comparing = True
        self._changed()

    async def settle(self, *owners: OwnerT) -> None:
        """Wait until all changes made before this call are applied; later ones do not delay it.

        Raises RefusedError when the target refuses a row of one of these owners.
        """
        if self._applied < self._requested:
            future = asyncio.get_running_loop().create_future()
            self._waiters.append((self._requested, future))
            await future
        refusals = self.table.refusals(*owners) if owners else ()
        if refusals:
            more = f" (and {len(refusals) - 1} more rows)" if len(refusals) > 1 else ""
            raise RefusedError(f"{self.name}: {refusals[0].row} is refused: {refusals[0].reason}{more}")

    async def run(self) -> None:
        """Run until cancelled. Errors of the sink are retried with backoff after reading the target back."""
        delay = FIRST_RETRY_SECONDS
        failures = 0
        self._wake.set()
        while True:
            retry = await self._retry_due()
            try:
                await self.turn(isolate=failures > 1 or retry, retry=retry)
                delay, failures, self.failure = FIRST_RETRY_SECONDS, 0, ""
            except (SinkError, OSError) as error:
                failures += 1
                self.counters.failures += 1
                self.failure = str(error)
                log.warning("%s: %s; reading back and trying again in %.2f s", self.name, error, delay)
                self._read_back = False
                self._wake.set()
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)

    async def turn(self, *, isolate: bool = False, retry: bool = False) -> None:
        """Derive and write everything that is dirty now. Raises SinkError.

        `isolate` searches for rows that the target refuses and goes on without them, `retry` writes those known as
        refused again.
        """
        generation = self._requested
        if not self._read_back:
            await self._read()
        elif self._comparing:
            await self._compare()
        if self._independent and not isolate and self.table.holds_nothing:
            await self._write_ahead()
        await self._derive_dirty()
        delta = self.table.delta(prune=self._inputs_synced, prune_unowned=not self._unknown, retry=retry)
        if isolate:
            await self._isolate(delta, retry=retry)
        elif delta:
            await self._sink.write(delta)
            self.table.written(delta)
        self._follow_refusals()
        self.counters.turns += 1
        self._settled(generation)

    def lines(self) -> Iterator[str]:
        """Return all rows that the target should hold, and those that it refuses, as text."""
        yield from map(str, self.table.rows())
        yield from map(str, self.table.refusals())

    def _changed(self) -> None:
        self._requested += 1
        self._wake.set()

    def _settled(self, generation: int) -> None:
        self._applied = max(self._applied, generation)
        while self._waiters and self._waiters[0][0] <= self._applied:
            _, future = self._waiters.popleft()
            if not future.done():
                future.set_result(None)

    async def _retry_due(self) -> bool:
        """Wait for a change, or until refused rows are due again; whether they are, also where changes never cease."""
        loop = asyncio.get_running_loop()
        if not self.table.refusals():
            self._retry_at = None
        elif self._retry_at is None:
            self._retry_in(self._retry_pause)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._retry_at):
                await self._wake.wait()
        self._wake.clear()
        due = self._retry_at is not None and loop.time() >= self._retry_at
        if due:
            self._retry_at = None
        return due

    def _retry_in(self, seconds: float) -> None:
        """Write refused rows again after this time, if they are not due sooner; the next time after twice as long."""
        pause = min(seconds, RETRY_REFUSED_SECONDS)
        at = asyncio.get_running_loop().time() + pause
        self._retry_at = at if self._retry_at is None else min(at, self._retry_at)
        self._retry_pause = pause * 2

    async def _read(self) -> None:
        self._read_back = True  # first: `read_again` may be called meanwhile
        held = tuple(await self._sink.read())
        if self._restore is not None:
            self._restore(held)
        self.table.observe(held)

    async def _compare(self) -> None:
        self._comparing = False
        self.differences = found = self.table.differences(await self._sink.read())
        if found:
            self.counters.repaired += len(found)
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            log.warning("%s: something else changed the kernel, which %s%s: written again", self.name, found[0], more)

    async def _isolate(self, delta: Delta[RowT], *, retry: bool) -> None:
        """Write what the target takes and set the rest aside. Raises SinkError where that is more than MOST_REFUSED.

        What comes after a refused row in order is derived again first: it may have to change because of it. With
        `retry` each row known as refused is tried once, also those that come after one that is refused again.
        """
        refusals, tried = 0, set[Hashable]()
        while delta:
            for batch in await self._sink.in_order(delta) if isinstance(self._sink, OrderedSink) else (delta,):
                refused = await self._written_in_parts(batch, MOST_REFUSED - refusals)
                refusals += len(refused)
                tried.update(row.key for row, _ in refused)
                for row, reason in refused:
                    self._refuse(row, reason)
                if refused:
                    break
            else:
                return
            self._follow_refusals()
            await self._derive_dirty()
            synced, known = self._inputs_synced, not self._unknown
            delta = self.table.delta(prune=synced, prune_unowned=known, retry=retry, tried=tried)

    async def _written_in_parts(self, batch: Delta[RowT], most: int) -> list[tuple[RowT, str]]:
        """Write a batch in smaller and smaller parts; return the rows that the target refuses, with its reason."""
        refused: list[tuple[RowT, str]] = []
        parts = deque((batch,) if 0 < len(batch) <= ROWS_A_PIECE else batch.pieces(ROWS_A_PIECE))
        while parts:
            part = parts.popleft()
            try:
                await self._sink.write(part)
                self.table.written(part)
            except SinkError as error:
                if len(part) > 1:
                    parts.extendleft(reversed(list(part.pieces((len(part) + 1) // 2))))
                    continue
                if len(refused) >= most:
                    raise
                refused.append(((*part.upserts, *part.removals)[0], str(error)))
        return refused

    def _follow_refusals(self) -> None:
        before, self._refused = self._refused, frozenset(refusal.row for refusal in self.table.refusals())
        if self._refused - before:
            self._retry_in(FIRST_RETRY_REFUSED_SECONDS)
        if before != self._refused:
            self.touch(*self._affected(before ^ self._refused))

    def _refuse(self, part: RowT, reason: str) -> None:
        """Set a row aside; what was refused may be a step on the way to it."""
        desired = self.table.desired(part.key)
        row = desired if desired is not None else part
        self.counters.refused += 1
        if self.table.refuse(row, reason):
            log.error("%s: %s is refused and left out: %s", self.name, row, reason)

    async def _write_ahead(self) -> None:
        """Derive all that is dirty, and write all but the last part. Raises SinkError."""
        await self._derive_dirty(OWNERS_A_PART)
        while self._dirty:
            part = self.table.delta(prune=False)
            failure, _ = await asyncio.gather(
                self._sink.write(part), self._derive_dirty(OWNERS_A_PART), return_exceptions=True
            )
            if failure is not None:
                raise failure
            self.table.written(part)

    async def _derive_dirty(self, most: int | None = None) -> None:
        dirty = dict.fromkeys(islice(self._dirty, most))
        self._dirty = {owner: None for owner in self._dirty if owner not in dirty}
        for turn, owner in enumerate(dirty, start=1):
            self._derive_one(owner)
            if turn % OWNERS_A_TURN == 0:
                await asyncio.sleep(0)

    def _derive_one(self, owner: OwnerT) -> None:
        try:
            rows = tuple(self._derive(owner))
        except Exception as error:
            log.exception("%s: the rows of %s cannot be derived; what it had stays", self.name, owner)
            self.underivable[owner] = str(error)
            if not self.table.claimed(owner):
                self._unknown.add(owner)
            return
        self._unknown.discard(owner)
        self.underivable.pop(owner, None)
        self.table.replace(owner, rows)
