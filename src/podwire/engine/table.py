"""The rows that must stand, by the owner that asks for them, and the difference to those that do stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from podwire.engine.row import Delta, RowT

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

OwnerT = TypeVar("OwnerT")


class Table(Generic[OwnerT, RowT]):
    """Rows by owner, and what the target is known to hold.

    Several owners may ask for the same key. Equal rows count as one; of different ones the smallest by `repr` stands,
    so that the outcome depends on what is asked for and never on the order of asking.
    """

    def __init__(self) -> None:
        self._asked: dict[OwnerT, frozenset[RowT]] = {}
        self._wanted: dict[Hashable, dict[RowT, int]] = {}
        self._held: dict[Hashable, RowT] = {}
        self._open: set[Hashable] = set()

    def replace(self, owner: OwnerT, rows: Iterable[RowT]) -> None:
        """From now on the owner asks for exactly these rows; none at all forgets the owner."""
        before = self._asked.get(owner, frozenset())
        after = frozenset(rows)
        for row in before - after:
            self._count(row, -1)
        for row in after - before:
            self._count(row, +1)
        if after:
            self._asked[owner] = after
        else:
            self._asked.pop(owner, None)

    def holds(self, rows: Iterable[RowT]) -> None:
        """The target was read back: it holds exactly these rows. Everything else is compared anew."""
        self._held = {row.key: row for row in rows}
        self._open = set(self._held) | set(self._wanted)

    def delta(self, *, prune: bool) -> Delta[RowT]:
        """What to write so that the target holds the wanted rows. Without `prune` nothing is removed."""
        upserts: list[RowT] = []
        removals: list[RowT] = []
        replaced: list[RowT] = []
        for key in self._open:
            wanted, held = self.wanted(key), self._held.get(key)
            if wanted == held:
                continue
            if wanted is not None:
                upserts.append(wanted)
                if held is not None:
                    replaced.append(held)
            elif prune and held is not None:
                removals.append(held)
        upserts.sort(key=lambda row: row.stage)
        removals.sort(key=lambda row: -row.stage)
        return Delta(tuple(upserts), tuple(removals), tuple(replaced))

    def written(self, delta: Delta[RowT]) -> None:
        """The target took this batch."""
        for row in delta.removals:
            self._held.pop(row.key, None)
        for row in delta.upserts:
            self._held[row.key] = row
        self._open = {key for key in self._open if self.wanted(key) != self._held.get(key)}

    def wanted(self, key: Hashable) -> RowT | None:
        """The row that must stand under this key."""
        rows = self._wanted.get(key)
        if not rows:
            return None
        return next(iter(rows)) if len(rows) == 1 else min(rows, key=repr)

    def owners(self) -> frozenset[OwnerT]:
        """All who ask for at least one row."""
        return frozenset(self._asked)

    def asked(self, owner: OwnerT) -> frozenset[RowT]:
        """The rows that this owner asks for."""
        return self._asked.get(owner, frozenset())

    def rows(self) -> Iterator[RowT]:
        """All wanted rows, one for each key."""
        for key in self._wanted:
            row = self.wanted(key)
            if row is not None:
                yield row

    def _count(self, row: RowT, step: int) -> None:
        counts = self._wanted.setdefault(row.key, {})
        counts[row] = counts.get(row, 0) + step
        if counts[row] == 0:
            del counts[row]
            if not counts:
                del self._wanted[row.key]
        self._open.add(row.key)
