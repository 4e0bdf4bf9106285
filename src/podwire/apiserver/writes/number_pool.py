"""A pool of numbers of which a few are taken: Service addresses, node ports.

The lower part of the range is kept for requests of one number; numbers are chosen from the upper part until it is
full. Source: kubernetes.io "Service ClusterIP allocation", "NodePort static subrange" (KEP-3070, KEP-3668).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from podwire.apiserver.base.field_errors import Cause


class NotAllocatedError(ValueError):
    """A Service does not get what it needs: because of the value of a field, or as a range is full (`internal`)."""

    def __init__(self, *causes: Cause, internal: str = "") -> None:
        super().__init__(internal)
        self.causes = causes
        self.internal = internal


class PoolError(ValueError):
    """A number cannot be taken. `outside`: it is not one of this pool."""

    def __init__(self, text: str, *, outside: bool = False) -> None:
        super().__init__(text)
        self.outside = outside


class Usage(NamedTuple):
    """How many numbers are taken, and how many are free."""

    taken: int
    free: int


class Pool:
    """Numbers of one range, the first `band` of them kept for requests of one number.

    `reachable` may be wider: its other numbers are given on request and never chosen. `held` are the numbers that are
    taken, shared with pools of ranges that overlap; who takes numbers returns them there.
    """

    def __init__(
        self, numbers: range, noun: str, band: int, reachable: range | None = None, held: set[int] | None = None
    ) -> None:
        self.numbers = numbers
        self._reachable = reachable or numbers
        self._noun = noun
        self._held: set[int] = set() if held is None else held
        self._dynamic = range(numbers.start + band, numbers.stop)
        self._static = range(numbers.start, numbers.start + band)
        self._chance = random.Random()  # noqa: S311 (spread, not secrecy: a freed number should rarely come back at once)

    def __contains__(self, number: int) -> bool:
        """Whether the number can be requested."""
        return number in self._reachable

    def usage(self) -> Usage:
        """How much of the pool is taken."""
        taken = sum(number in self._reachable for number in self._held)
        return Usage(taken, self._reachable.stop - self._reachable.start - taken)

    def take(self, number: int) -> int:
        """Take this number; raises PoolError when it is taken already or outside."""
        if number not in self._reachable:
            raise PoolError("not in the valid range", outside=True)
        if number in self._held:
            raise PoolError(f"provided {self._noun} is already allocated")
        self._held.add(number)
        return number

    def take_any(self) -> int:
        """Take any free number, from the upper part while it has one; raises PoolError when all are taken."""
        for part in (self._dynamic, self._static):
            start = self._chance.randrange(len(part)) if part else 0
            for step in range(len(part)):
                number = part[(start + step) % len(part)]
                if number not in self._held:
                    self._held.add(number)
                    return number
        raise PoolError("range is full")


def static_address_band(size: int) -> int:
    """How many of `size` addresses are kept for requests of one: min(max(16, size / 16), 256)."""
    return min(max(16, size // 16), 256) if size > 16 else 0


def static_port_band(size: int) -> int:
    """How many of `size` node ports are kept for requests of one: min(max(16, size / 32), 128)."""
    return min(max(16, size // 32), 128) if size > 16 else 0
