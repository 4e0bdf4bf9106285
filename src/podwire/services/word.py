"""The word: what services.nft's maps hold for a frontend, one number of 32 bits. Pure.

    31      30 .. 23     22 .. 18    17 .. 0
    guard   class        timeout     pool

`class` is what happens: refuse, drop, or the chain that draws one of a number of slots. `timeout` is the class of the
session affinity's timeout, 0 without affinity. With `guard` the client's address is checked first. A *sticky word* has
the number of an affine endpoint in place of guard and class.
"""

from __future__ import annotations

import bisect
import enum

import msgspec

from podwire.services.slots import AFFINE_SIZES, SIZES

POOL_BITS, TIMEOUT_BITS, CLASS_BITS = 18, 5, 8
_CLASS_SHIFT = POOL_BITS + TIMEOUT_BITS
POOL = (1 << POOL_BITS) - 1
TIMEOUT = ((1 << TIMEOUT_BITS) - 1) << POOL_BITS
CLASS = ((1 << CLASS_BITS) - 1) << _CLASS_SHIFT
GUARD = 1 << _CLASS_SHIFT + CLASS_BITS
LARGEST_POOL = POOL

TIMEOUTS = (
    1, 2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 125, 180, 240, 300, 600, 900, 1200, 1800, 2700,
    3600, 5400, 7200, 10800, 14400, 21600, 28800, 36000, 43200, 86400,
)  # fmt: skip
"""The timeouts of session affinity that services.nft has, in seconds: in nft a timeout is part of a rule.
Kubernetes allows 1 to 86,400 and defaults to 10,800; its own tests set 125 and come again every 130 s."""


class Verdict(enum.IntEnum):
    """Classes without slots."""

    REFUSE = 0
    DROP = 1


_PLAIN = {size: len(Verdict) + index for index, size in enumerate(SIZES)}
_AFFINE = {size: len(Verdict) + len(SIZES) + index for index, size in enumerate(AFFINE_SIZES)}
_MEANINGS: dict[int, Verdict | int] = {
    **{int(verdict): verdict for verdict in Verdict},
    **{number: size for sizes in (_PLAIN, _AFFINE) for size, number in sizes.items()},
}


def effective_timeout(seconds: int) -> int:
    """The timeout that services.nft has for a desired one: the next longer one."""
    return TIMEOUTS[min(bisect.bisect_left(TIMEOUTS, seconds), len(TIMEOUTS) - 1)]


def timeout_bits(seconds: int) -> int:
    """The timeout's class in its place in a word; 0 for no affinity."""
    return (TIMEOUTS.index(effective_timeout(seconds)) + 1) << POOL_BITS if seconds else 0


def slots_bits(slots: int, *, affine: bool) -> int:
    """The class that draws one of so many slots, in its place in a word."""
    return (_AFFINE if affine else _PLAIN)[slots] << _CLASS_SHIFT


def verdict_bits(verdict: Verdict) -> int:
    """The class of a verdict, in its place in a word."""
    return verdict << _CLASS_SHIFT


def sticky(pool: int, number: int, timeout: int) -> int:
    """The sticky word of an affine endpoint; `timeout` as `timeout_bits` returns it."""
    return number << _CLASS_SHIFT | timeout | pool


def sticky_number(word: int) -> int:
    """The number of the endpoint in a sticky word."""
    return word >> _CLASS_SHIFT


class Meaning(msgspec.Struct, frozen=True):
    """What a word means. `slots` is 0 with a verdict; `affinity_seconds` is 0 without affinity."""

    pool: int
    verdict: Verdict | None
    slots: int
    affinity_seconds: int
    guarded: bool

    def __str__(self) -> str:
        parts = [self.verdict.name.lower() if self.verdict is not None else f"{self.slots} slots"]
        if self.affinity_seconds:
            parts.append(f"affinity {self.affinity_seconds} s")
        if self.guarded:
            parts.append("source ranges")
        return f"pool {self.pool}, {', '.join(parts)}"


def meaning(word: int) -> Meaning:
    """Read a frontend's word."""
    found = _MEANINGS[(word & CLASS) >> _CLASS_SHIFT]
    timeout = (word & TIMEOUT) >> POOL_BITS
    verdict = found if isinstance(found, Verdict) else None
    return Meaning(
        pool=word & POOL,
        verdict=verdict,
        slots=0 if verdict is not None else int(found),
        affinity_seconds=TIMEOUTS[timeout - 1] if timeout else 0,
        guarded=bool(word & GUARD),
    )
