"""The rows that must stand, by the owner that asks for them, and the difference to those that do stand."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Generic, TypeVar

from podwire.engine.row import Delta, RowT

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

OwnerT = TypeVar("OwnerT")

_stage = attrgetter("stage")


class Table(Generic[OwnerT, RowT]):
    """Rows by owner, and what the target is known to hold.

    Several owners may ask for the same key. Equal rows count as one; of different ones the smallest by `repr` stands,
    so that the outcome depends on what is asked for and never on the order of asking.
    """

    def __init__(self) -> None:
        self._asked: dict[OwnerT, dict[RowT, None]] = {}
        self._wanted: dict[Hashable, RowT] = {}
        self._shared: dict[Hashable, Counter[RowT]] = {}
        """Keys that are asked for more than once, which is rare: how often each row of them is."""
        self._held: dict[Hashable, RowT] = {}
        self._open: dict[Hashable, None] = {}
        """Keys under which the target may hold something else than what is wanted."""
        self._strange: set[Hashable] = set()
        """Keys that the target held when it was read and that nobody has asked for yet."""

    def replace(self, owner: OwnerT, rows: Iterable[RowT]) -> None:
        """From now on the owner asks for exactly these rows; none at all forgets the owner."""
        before = self._asked.get(owner, {})
        after = dict.fromkeys(rows)
        for row in before:
            if row not in after:
                self._release(row)
        for row in after:
            if row not in before:
                self._ask(row)
        if after:
            self._asked[owner] = after
        else:
            self._asked.pop(owner, None)

    def holds(self, rows: Iterable[RowT]) -> None:
        """The target was read back: it holds exactly these rows. Everything else is compared anew."""
        known = self._open.keys() - self._strange
        self._held = {row.key: row for row in rows}
        self._open = dict.fromkeys(self._held) | dict.fromkeys(self._wanted)
        self._strange = self._held.keys() - self._wanted.keys() - known

    def delta(self, *, prune: bool, prune_strange: bool = True) -> Delta[RowT]:
        """What to write so that the target holds the wanted rows.

        Without `prune` nothing is removed. Without `prune_strange` only that is removed which was asked for once.
        """
        upserts: list[RowT] = []
        removals: list[RowT] = []
        replaced: list[RowT] = []
        equal: list[Hashable] = []
        for key in self._open:
            wanted, held = self._wanted.get(key), self._held.get(key)
            if wanted == held:
                equal.append(key)
            elif wanted is not None:
                upserts.append(wanted)
                if held is not None:
                    replaced.append(held)
            elif held is not None and prune and (prune_strange or key not in self._strange):
                removals.append(held)
        for key in equal:
            del self._open[key]
        upserts.sort(key=_stage)
        removals.sort(key=_stage, reverse=True)
        return Delta(tuple(upserts), tuple(removals), tuple(replaced))

    def written(self, delta: Delta[RowT]) -> None:
        """The target took this batch. What was asked for meanwhile stays open."""
        for row in delta.removals:
            key = row.key
            self._held.pop(key, None)
            self._strange.discard(key)
            if key not in self._wanted:
                self._open.pop(key, None)
        for row in delta.upserts:
            key = row.key
            self._held[key] = row
            if self._wanted.get(key) == row:
                self._open.pop(key, None)
        if not self._open:
            self._open = {}  # a dict that once was large is slow to walk even when it is empty

    def wanted(self, key: Hashable) -> RowT | None:
        """The row that must stand under this key."""
        return self._wanted.get(key)

    def owners(self) -> frozenset[OwnerT]:
        """All who ask for at least one row."""
        return frozenset(self._asked)

    def asked(self, owner: OwnerT) -> frozenset[RowT]:
        """The rows that this owner asks for."""
        return frozenset(self._asked.get(owner, ()))

    def rows(self) -> Iterator[RowT]:
        """All wanted rows, one for each key."""
        return iter(self._wanted.values())

    def _ask(self, row: RowT) -> None:
        key = row.key
        self._open[key] = None
        self._strange.discard(key)
        standing = self._wanted.get(key)
        if standing is None:
            self._wanted[key] = row
            return
        asks = self._shared.get(key)
        if asks is None:
            asks = self._shared[key] = Counter([standing])
        asks[row] += 1
        self._wanted[key] = _smallest(asks)

    def _release(self, row: RowT) -> None:
        key = row.key
        self._open[key] = None
        asks = self._shared.get(key)
        if asks is None:
            del self._wanted[key]
            return
        asks[row] -= 1
        if not asks[row]:
            del asks[row]
        self._wanted[key] = _smallest(asks)
        if asks.total() == 1:
            del self._shared[key]


def _smallest(rows: Counter[RowT]) -> RowT:
    return next(iter(rows)) if len(rows) == 1 else min(rows, key=repr)
