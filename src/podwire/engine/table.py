"""The rows that a target should hold, by the owner that claims them, and the difference to those it holds."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Generic

from podwire.engine.row import Conflict, Delta, OwnerT, Refusal, RowT

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Set

Rank = tuple[str, ...]
"""Seniority of an owner: the smallest wins."""
Claims = tuple[RowT, ...] | dict[RowT, RowT]
"""An owner's rows, each by itself; a single one is in a tuple, which takes a fifth of the memory."""

_stage = attrgetter("stage")


class Table(Generic[OwnerT, RowT]):
    """Rows by owner, and what the target is known to hold.

    Several owners may claim the same key. Equal rows count as one. Of different ones the row of the owner with the
    smallest `rank` wins, then the smallest by `repr`: the outcome depends on what is claimed, never on the order.
    Without `rank` all owners are equal.
    """

    def __init__(self, rank: Callable[[OwnerT], Rank] = lambda _: ()) -> None:
        self._rank = rank
        self._claims: dict[OwnerT, Claims[RowT]] = {}
        """An equal row that is claimed again does not take memory again."""
        self._desired: dict[Hashable, RowT] = {}
        self._shared: dict[Hashable, Counter[RowT]] = {}
        """Keys that are claimed more than once, which is rare: how often each of their rows is."""
        self._rivals: dict[Hashable, dict[tuple[OwnerT, RowT], Rank]] = {}
        """Keys under which owners claim different rows, which is rarer still: owner and row of each."""
        self._held: dict[Hashable, RowT] = {}
        self._open: dict[Hashable, None] = {}
        """Keys under which the target may hold something else than what is desired."""
        self._unowned: set[Hashable] = set()
        """Keys that the target held when it was read and that no owner has claimed yet."""
        self._leaving: dict[Hashable, OwnerT] = {}
        """Keys to be removed: the owner that claimed them last."""
        self._refused: dict[Hashable, Refusal[RowT]] = {}

    def replace(self, owner: OwnerT, rows: Iterable[RowT]) -> None:
        """From now on the owner claims exactly these rows; none at all removes the owner."""
        before = self._claims.get(owner, ())
        after = _claims(before, rows)
        for row in before:
            if row not in after:
                self._release(owner, row)
        if after:
            self._claims[owner] = after
        else:
            self._claims.pop(owner, None)
        for row in after:
            if not before or row not in before:
                self._claim(owner, row)
            elif self._rivals and row.key in self._rivals:
                self._compete(owner, row)

    def observe(self, rows: Iterable[RowT]) -> None:
        """Take over what was read back: the target holds exactly these rows. Everything else is compared again."""
        known = self._open.keys() - self._unowned
        self._held = {row.key: row for row in rows}
        self._open = dict.fromkeys(self._held) | dict.fromkeys(self._desired)
        self._unowned = self._held.keys() - self._desired.keys() - known

    def differences(self, rows: Iterable[RowT]) -> list[str]:
        """Compare what was read back with what the target was known to hold, and take over what differs.

        Returns one line for each row that something else removed, changed or added. Rows that print the same are the
        same, as a target may hold less than a row says.
        """
        read = {row.key: row for row in rows}
        lines: list[str] = []
        for key, known in list(self._held.items()):
            row = read.get(key)
            if row == known or not getattr(known, "is_readable", True) or (row is not None and str(row) == str(known)):
                continue
            lines.append(f"lacks {known}" if row is None else f"has {row} for {known}")
            self._found(key, row)
        for key in read.keys() - self._held.keys():
            lines.append(f"has {read[key]}, which is not podwire's")
            self._found(key, read[key])
        return lines

    def _found(self, key: Hashable, row: RowT | None) -> None:
        """Take over what the target holds under a key."""
        self._open[key] = None
        if row is None:
            self._held.pop(key, None)
            self._unowned.discard(key)
            return
        self._held[key] = row
        if key not in self._desired:
            self._unowned.add(key)

    def delta(
        self,
        *,
        prune: bool,
        prune_unowned: bool = True,
        retry: bool = False,
        tried: Set[Hashable] = frozenset(),
    ) -> Delta[RowT]:
        """Return what to write so that the target holds the desired rows.

        Without `prune` nothing is removed. Without `prune_unowned` only that is removed which was claimed once.
        Without `retry` refused rows are left out, with it those under the keys that were `tried` already.
        """
        upserts: list[RowT] = []
        removals: list[RowT] = []
        replaced: list[RowT] = []
        equal: list[Hashable] = []
        for key in self._open:
            desired, held = self._desired.get(key), self._held.get(key)
            if desired is held or desired == held:
                equal.append(key)
                if desired is not None:
                    self._held[key] = desired  # the one that was read back takes memory of its own
            elif (
                self._refused
                and (not retry or key in tried)
                and self._is_refused(key, desired if desired is not None else held)
            ):
                continue
            elif desired is not None:
                upserts.append(desired)
                if held is not None:
                    replaced.append(held)
            elif held is not None and prune and (prune_unowned or key not in self._unowned):
                removals.append(held)
        for key in equal:
            self._close(key)
        upserts.sort(key=_stage)
        removals.sort(key=_stage, reverse=True)
        return Delta(tuple(upserts), tuple(removals), tuple(replaced))

    def written(self, delta: Delta[RowT]) -> None:
        """Record that the target took this batch. What was claimed meanwhile stays open."""
        for row in delta.removals:
            key = row.key
            self._held.pop(key, None)
            self._unowned.discard(key)
            if key not in self._desired:
                self._close(key)
        held, desired = self._held, self._desired
        for row in delta.upserts:
            key = row.key
            held[key] = row
            current = desired.get(key)
            if current is row or current == row:
                self._close(key)
        if not self._open:
            self._open = {}  # a dict that once was large is slow to walk even when it is empty

    def refuse(self, row: RowT, reason: str) -> bool:
        """Record that the target refuses this row: it is not written again without `retry`. False if that is known."""
        refusal = Refusal(row, reason)
        known = self._refused.get(row.key) == refusal
        self._refused[row.key] = refusal
        return not known

    def refusals(self, *owners: OwnerT) -> list[Refusal[RowT]]:
        """Return the refused rows that these owners claim, or claimed last; of all owners if none is given."""
        found = self._refused.items()
        if not owners:
            return [refusal for _, refusal in found]
        return [
            refusal
            for key, refusal in found
            if any(refusal.row in self._claims.get(owner, ()) for owner in owners)
            or (key in self._leaving and self._leaving[key] in owners)
        ]

    def conflicts(self) -> Iterator[Conflict[OwnerT, RowT]]:
        """Return the rows that are claimed and not desired, as an older owner claims another one under their key."""
        for key, rivals in self._rivals.items():
            desired = self._desired[key]
            winner = min((rank, repr(owner), owner) for (owner, row), rank in rivals.items() if row == desired)[2]
            for owner, row in rivals:
                if row != desired:
                    yield Conflict(owner, row, winner)

    @property
    def holds_nothing(self) -> bool:
        """Whether the target is known to hold no row."""
        return not self._held

    def held_by_type(self) -> Mapping[type[RowT], int]:
        """Return how many rows of each type the target holds."""
        return Counter(map(type, self._held.values()))

    def desired(self, key: Hashable) -> RowT | None:
        """Return the row that the target should hold under this key."""
        return self._desired.get(key)

    def owners(self) -> frozenset[OwnerT]:
        """Return all that claim at least one row."""
        return frozenset(self._claims)

    def claimed(self, owner: OwnerT) -> Set[RowT]:
        """Return the rows that this owner claims."""
        found = self._claims.get(owner, ())
        return found.keys() if isinstance(found, dict) else frozenset(found)

    def claimants(self, row: RowT) -> Iterator[OwnerT]:
        """Return the owners that claim this row. Costs a look at each owner."""
        return (owner for owner, rows in self._claims.items() if row in rows)

    def rows(self) -> Iterator[RowT]:
        """Return all desired rows, one for each key."""
        return iter(self._desired.values())

    def _is_refused(self, key: Hashable, row: RowT | None) -> bool:
        refusal = self._refused.get(key)
        return refusal is not None and refusal.row == row

    def _close(self, key: Hashable) -> None:
        self._open.pop(key, None)
        if self._leaving:
            self._leaving.pop(key, None)
        if self._refused:
            self._refused.pop(key, None)

    def _claim(self, owner: OwnerT, row: RowT) -> None:
        key = row.key
        self._open[key] = None
        if self._unowned:
            self._unowned.discard(key)
        if self._leaving:
            self._leaving.pop(key, None)
        present = self._desired.get(key)
        if present is None:
            self._desired[key] = row
            return
        claims = self._shared.get(key)
        if claims is None:
            claims = self._shared[key] = Counter([present])
        claims[row] += 1
        if len(claims) > 1:
            self._compete(owner, row)

    def _compete(self, owner: OwnerT, row: RowT) -> None:
        """Choose among different rows for one key."""
        key = row.key
        if key not in self._rivals:
            claims = self._shared[key]
            self._rivals[key] = {
                (other, each): self._rank(other)
                for other, rows in self._claims.items()
                for each in claims
                if each in rows
            }
        self._rivals[key][owner, row] = self._rank(owner)
        self._desired[key] = _winner(self._rivals[key])
        self._open[key] = None

    def _release(self, owner: OwnerT, row: RowT) -> None:
        key = row.key
        self._open[key] = None
        claims = self._shared.get(key)
        if claims is None:
            del self._desired[key]
            self._leaving[key] = owner
            return
        claims[row] -= 1
        if not claims[row]:
            del claims[row]
        rivals = self._rivals.get(key)
        if rivals is not None:
            rivals.pop((owner, row), None)
            if len(claims) > 1:
                self._desired[key] = _winner(rivals)
            else:
                del self._rivals[key]
        if len(claims) == 1:
            self._desired[key] = next(iter(claims))
        if claims.total() == 1:
            del self._shared[key]


def _claims(before: Claims[RowT], rows: Iterable[RowT]) -> Claims[RowT]:
    """The rows of an owner, with those of before in place of equal ones."""
    known = before if isinstance(before, dict) else dict(zip(before, before, strict=True))
    kept = [known.get(row, row) for row in rows] if known else list(rows)
    return tuple(kept) if len(kept) < 2 else dict(zip(kept, kept, strict=True))


def _winner(rivals: dict[tuple[OwnerT, RowT], Rank]) -> RowT:
    _, row = min(rivals, key=lambda rival: (rivals[rival], repr(rival[1])))
    return row
