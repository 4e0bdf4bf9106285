"""Sinks: the only code with side effects, and the fake that tests put in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol

from podwire.engine.row import Delta, RowT

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable


class SinkError(Exception):
    """The target did not take a batch, or not all of it. The reconciler reads back and tries again."""


class Sink(Protocol[RowT]):
    """Makes a target hold exactly the rows it is given."""

    async def read(self) -> Iterable[RowT]:
        """All rows that the target holds now."""
        ...

    async def write(self, delta: Delta[RowT]) -> None:
        """Upserts in order, then removals in order. Raises SinkError when it is not certain that all stands."""
        ...


class FakeSink(Generic[RowT]):
    """A target in memory. `fail` makes the next writes raise after half of their upserts have landed."""

    def __init__(self, rows: Iterable[RowT] = ()) -> None:
        self.held: dict[Hashable, RowT] = {row.key: row for row in rows}
        self.batches: list[Delta[RowT]] = []
        self.fail = 0

    async def read(self) -> list[RowT]:
        """What is held."""
        return list(self.held.values())

    async def write(self, delta: Delta[RowT]) -> None:
        """Take the batch, or half of it where a failure is due."""
        if self.fail:
            self.fail -= 1
            for row in delta.upserts[: len(delta.upserts) // 2]:
                self.held[row.key] = row
            raise SinkError("the fake sink was told to fail")
        self.batches.append(delta)
        for row in delta.upserts:
            self.held[row.key] = row
        for row in delta.removals:
            self.held.pop(row.key, None)
