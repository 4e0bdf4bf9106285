"""The loop: dirty owners -> derive -> difference -> one batch -> sink; with retries, resync and no early pruning."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic

from podwire.engine.row import RowT
from podwire.engine.sink import SinkError
from podwire.engine.table import OwnerT, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podwire.engine.sink import Sink

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 5.0
OWNERS_A_TURN = 100
"""Owners derived before other tasks get their turn, so that a cold start does not stop the loop."""


class Reconciler(Generic[OwnerT, RowT]):
    """Keeps one sink equal to what the owners ask for.

    `derive(owner)` answers the rows of an owner from the current objects; an owner that is gone has none. Nothing is
    removed from the target before `complete()` has said that all inputs are known. An owner whose `derive` raises keeps
    the rows that it had and stops nobody else.

    `restore` hears what the target held each time it is read, before anything is derived: those who keep allocations
    find them there again after a restart.
    """

    def __init__(
        self,
        name: str,
        derive: Callable[[OwnerT], Iterable[RowT]],
        sink: Sink[RowT],
        restore: Callable[[Iterable[RowT]], None] | None = None,
    ) -> None:
        self.table: Table[OwnerT, RowT] = Table()
        self._name = name
        self._derive = derive
        self._sink = sink
        self._restore = restore
        self._unknown: set[OwnerT] = set()
        """Owners that could not be derived even once: rows that nobody asks for may be theirs."""
        self._dirty: dict[OwnerT, None] = {}
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._complete = False
        self._read_back = False

    def touch(self, *owners: OwnerT) -> None:
        """These owners may have changed: derive them again soon."""
        self._dirty.update(dict.fromkeys(owners))
        self._settled.clear()
        self._wake.set()

    def complete(self) -> None:
        """All inputs have been seen once: from now on rows that nobody asks for are removed."""
        self._complete = True
        self._settled.clear()
        self._wake.set()

    async def settle(self) -> None:
        """Return when everything touched until now stands in the target."""
        await self._settled.wait()

    async def run(self) -> None:
        """Work for ever. Errors of the sink are retried with backoff after reading the target back."""
        delay = FIRST_RETRY_SECONDS
        self._wake.set()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.turn()
                delay = FIRST_RETRY_SECONDS
            except (SinkError, OSError) as error:
                log.warning("%s: %s; reading back and trying again in %.2f s", self._name, error, delay)
                self._read_back = False
                self._wake.set()
                await asyncio.sleep(delay)
                delay = min(delay * 2, LONGEST_RETRY_SECONDS)

    async def turn(self) -> None:
        """One round: everything dirty now is derived and written."""
        if not self._read_back:
            held = tuple(await self._sink.read())
            if self._restore is not None:
                self._restore(held)
            self.table.holds(held)
            self._read_back = True
        await self._derive_dirty()
        delta = self.table.delta(prune=self._complete, prune_strange=not self._unknown)
        if delta:
            await self._sink.write(delta)
            self.table.written(delta)
        if not self._dirty:
            self._settled.set()

    async def _derive_dirty(self) -> None:
        while self._dirty:
            dirty, self._dirty = self._dirty, {}
            for turn, owner in enumerate(dirty, start=1):
                self._derive_one(owner)
                if turn % OWNERS_A_TURN == 0:
                    await asyncio.sleep(0)

    def _derive_one(self, owner: OwnerT) -> None:
        try:
            rows = tuple(self._derive(owner))
        except Exception:
            log.exception("%s: the rows of %s cannot be derived; what it had stays", self._name, owner)
            if not self.table.asked(owner):
                self._unknown.add(owner)
            return
        self._unknown.discard(owner)
        self.table.replace(owner, rows)
