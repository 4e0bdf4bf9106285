"""Rows: the facts that a target should hold, and the batches that change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator


class Row(Protocol):
    """One fact in one target's own terms: hashable, comparable, printable.

    `key` is what the target can hold once (a map's key, a route's destination); the rest is the value.
    `stage` orders a batch: upserts go out in rising stages, removals in falling ones, so that what is looked up last
    is made first. Rows of one stage are independent of each other. A row that no sink can read back has a class
    attribute `is_readable`, False.
    """

    @property
    def key(self) -> Hashable:
        """What the target can hold once."""
        ...

    @property
    def stage(self) -> int:
        """Place in a batch, from 0."""
        ...


RowT = TypeVar("RowT", bound=Row)
OwnerT = TypeVar("OwnerT")


class Refusal(msgspec.Struct, Generic[RowT], frozen=True):
    """A row that the target refuses to take, or to give up, and the target's reason."""

    row: RowT
    reason: str

    def __str__(self) -> str:
        return f"refused: {self.row}: {self.reason}"


class Conflict(msgspec.Struct, Generic[OwnerT, RowT], frozen=True):
    """A row that an owner claims and another owner's row under the same key keeps out."""

    owner: OwnerT
    row: RowT
    winner: OwnerT


class Delta(msgspec.Struct, Generic[RowT], frozen=True):
    """One batch: first all upserts, in order, then all removals, in order.

    An upsert whose key the target already holds replaces the value. `replaced` holds the old rows of such keys.
    """

    upserts: tuple[RowT, ...] = ()
    removals: tuple[RowT, ...] = ()
    replaced: tuple[RowT, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.upserts or self.removals)

    def __len__(self) -> int:
        return len(self.upserts) + len(self.removals)

    def changes(self) -> Iterator[tuple[RowT | None, RowT | None]]:
        """Return each row before and after, in the order of the batch; None where there is none."""
        old = {row.key: row for row in self.replaced}
        for row in self.upserts:
            yield (old.get(row.key) if old else None), row
        for row in self.removals:
            yield row, None

    def pieces(self, size: int) -> Iterator[Delta[RowT]]:
        """Split into batches of at most `size` upserts and removals, in the same order."""
        old = {row.key: row for row in self.replaced}
        for start in range(0, len(self.upserts), size):
            part = self.upserts[start : start + size]
            yield Delta(part, (), tuple(old[row.key] for row in part if row.key in old))
        for start in range(0, len(self.removals), size):
            yield Delta((), self.removals[start : start + size])
