"""Sinks: the only code with side effects, and the fake for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, runtime_checkable

from podwire.engine.row import Delta, RowT

if TYPE_CHECKING:
    from collections.abc import Container, Hashable, Iterable, Sequence


class SinkError(Exception):
    """The target did not take a batch, or not all of it. The reconciler reads back and tries again."""


class RefusedError(SinkError):
    """The target refuses rows of an owner, for a reason that trying again does not remove."""


class Sink(Protocol[RowT]):
    """Makes a target hold exactly the rows that it is given."""

    async def read(self) -> Iterable[RowT]:
        """Return all rows that the target holds now. Raises SinkError."""
        ...

    async def write(self, delta: Delta[RowT]) -> None:
        """Apply upserts in order, then removals in order.

        Raises SinkError when it is not certain that all is applied. A batch of few rows must be safe to repeat: the
        reconciler finds a row that is refused by writing smaller and smaller parts of a batch. Raises OSError where it
        was not tried at all: no row is at fault then.
        """
        ...


@runtime_checkable
class OrderedSink(Sink[RowT], Protocol[RowT]):
    """A sink that orders the changes of a batch otherwise than by their stages."""

    async def in_order(self, delta: Delta[RowT]) -> Sequence[Delta[RowT]]:
        """Return the batches that this one is, one after the other, each of which may be written in parts.

        A sink sees no more than a part while a refused row is searched for. Raises SinkError.
        """
        ...


class FakeSink(Generic[RowT]):
    """A target in memory.

    The next `fail` writes raise after half of their upserts have been applied. Batches with a key in `refuses` raise
    with nothing applied, as a transaction does.
    """

    def __init__(self, rows: Iterable[RowT] = (), refuses: Container[Hashable] = ()) -> None:
        self.held: dict[Hashable, RowT] = {row.key: row for row in rows}
        self.batches: list[Delta[RowT]] = []
        self.fail = 0
        self.refuses = refuses

    async def read(self) -> list[RowT]:
        """Return what is held."""
        return list(self.held.values())

    async def write(self, delta: Delta[RowT]) -> None:
        """Take the batch, or half of it where a failure is due."""
        if self.fail:
            self.fail -= 1
            for row in delta.upserts[: len(delta.upserts) // 2]:
                self.held[row.key] = row
            raise SinkError("the fake sink fails on demand")
        refused = [row for row in (*delta.upserts, *delta.removals) if row.key in self.refuses]
        if refused:
            raise SinkError(f"the fake sink refuses {refused[0].key!r}")
        self.batches.append(delta)
        for row in delta.upserts:
            self.held[row.key] = row
        for row in delta.removals:
            self.held.pop(row.key, None)
