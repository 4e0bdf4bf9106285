"""Pools: the numbers by which services.nft knows lists of endpoints, and the slots of each. Pure.

These are allocations: they are kept from change to change, and found in the kernel after a restart. Numbers that were
never used go first, then the one released longest ago, so that none comes back while something still refers to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from podwire.kube.backends import Backend
from podwire.services.model import Frontend, PoolKey
from podwire.services.slots import MOST_AFFINE_BACKENDS, place

OwnerT = TypeVar("OwnerT")

_FAMILIES = (4, 6)


class PoolAddress(msgspec.Struct, frozen=True, gc=False):
    """Where the kernel names a pool: the word of this frontend, for clients inside or outside."""

    frontend: Frontend
    outside: bool


class Claim(msgspec.Struct, frozen=True, gc=False):
    """What a pool is to hold. `addresses` are where it is found after a restart."""

    backends: Sequence[Backend]
    affine: bool
    addresses: list[PoolAddress]


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A pool's number, the endpoint of each slot and, with session affinity, the number of each endpoint."""

    number: int
    slots: tuple[Backend, ...]
    sticky: Mapping[Backend, int]


class HeldPool(msgspec.Struct, frozen=True, gc=False):
    """A pool as it was read from the kernel."""

    number: int
    slots: Mapping[int, Backend]
    sticky: Mapping[Backend, int]


class PoolsExhaustedError(Exception):
    """There is no pool number left in this family."""


class Pools(Generic[OwnerT]):
    """The pools of all owners. Each family has its own numbers, from 0 to `largest`."""

    def __init__(self, largest: int) -> None:
        self._placed: dict[OwnerT, dict[PoolKey, Placed]] = {}
        self._numbers = {family: _Numbers(largest) for family in _FAMILIES}
        self._held: dict[PoolAddress, HeldPool] = {}
        """What the kernel held for pools that no owner has claimed yet."""
        self._taken: set[tuple[int, int]] = set()
        """Family and number of pools in use, those that were found in the kernel among them."""

    def restore(self, held: Mapping[PoolAddress, HeldPool]) -> None:
        """Take over what the kernel was found to hold. It counts for pools without an owner yet."""
        self._held = dict(held)
        self._taken = {(key.port.family, one.number) for pools in self._placed.values() for key, one in pools.items()}
        used = self._taken | {(address.frontend.family, pool.number) for address, pool in held.items()}
        for family, numbers in self._numbers.items():
            numbers.restore({number for of, number in used if of == family})

    def keep(self, owner: OwnerT, claims: Mapping[PoolKey, Claim]) -> Mapping[PoolKey, Placed]:
        """Place the endpoints of the owner's pools; release the pools that it no longer claims.

        Raises PoolsExhaustedError, and changes nothing then.
        """
        before = self._placed.get(owner, {})
        self._require([key for key in claims if key not in before])
        placed = {
            key: _place(_Start.of(before[key]) if key in before else self._start(key, claim), claim)
            for key, claim in claims.items()
        }
        for key in before.keys() - claims.keys():
            family, number = key.port.family, before[key].number
            self._numbers[family].release(number)
            self._taken.discard((family, number))
        if placed:
            self._placed[owner] = placed
        else:
            self._placed.pop(owner, None)
        return placed

    def _require(self, fresh: Sequence[PoolKey]) -> None:
        for family, numbers in self._numbers.items() if fresh else ():
            if len(fresh) > numbers.left and sum(key.port.family == family for key in fresh) > numbers.left:
                raise PoolsExhaustedError(f"all {numbers.largest + 1} numbers for pools of IPv{family} are in use")

    def _start(self, key: PoolKey, claim: Claim) -> _Start:
        """A new pool: what the kernel held under one of its addresses, else a new number."""
        family = key.port.family
        held = self._find(family, claim)
        number = held.number if held is not None else self._numbers[family].take()
        self._taken.add((family, number))
        return _Start(number, _dense(held.slots), held.sticky) if held is not None else _Start(number, (), {})

    def _find(self, family: int, claim: Claim) -> HeldPool | None:
        """The pool that the kernel holds under the first of these addresses.

        One with other endpoints only is left alone: the address may have led to a Service that conflicts with this one.
        """
        for address in claim.addresses if self._held else ():
            pool = self._held.pop(address, None)
            if pool is None or (family, pool.number) in self._taken:
                continue
            if not pool.slots or not set(claim.backends).isdisjoint(pool.slots.values()):
                return pool
        return None


class _Numbers:
    """Numbers from 0 to `largest`: in use, never used, or released."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._next = 0
        self._released: deque[int] = deque()

    @property
    def left(self) -> int:
        return self.largest + 1 - self._next + len(self._released)

    def restore(self, used: set[int]) -> None:
        """Only these are in use, or found in the kernel."""
        self._next = max(used, default=-1) + 1
        self._released = deque(number for number in range(self._next) if number not in used)

    def take(self) -> int:
        if self._next > self.largest:
            return self._released.popleft()
        self._next += 1
        return self._next - 1

    def release(self, number: int) -> None:
        self._released.append(number)


class _Start(msgspec.Struct, frozen=True, gc=False):
    """A pool before its endpoints are placed; a slot may be empty."""

    number: int
    slots: Sequence[Backend | None]
    sticky: Mapping[Backend, int]

    @classmethod
    def of(cls, placed: Placed) -> _Start:
        return cls(placed.number, placed.slots, placed.sticky)


def _place(before: _Start, claim: Claim) -> Placed:
    slots = place(before.slots, claim.backends, affine=claim.affine)
    return Placed(before.number, slots, _sticky(before.sticky, slots) if claim.affine else {})


def _sticky(before: Mapping[Backend, int], slots: Iterable[Backend]) -> Mapping[Backend, int]:
    """The number of each endpoint: it keeps it for its life, as the kernel remembers clients by it."""
    desired = dict.fromkeys(slots)
    kept = {backend: number for backend, number in before.items() if backend in desired}
    free = iter(sorted(set(range(MOST_AFFINE_BACKENDS)) - set(kept.values()))) if len(kept) < len(desired) else iter(())
    return kept | {backend: next(free) for backend in desired if backend not in kept}


def _dense(slots: Mapping[int, Backend]) -> tuple[Backend | None, ...]:
    return tuple(slots.get(slot) for slot in range(max(slots, default=-1) + 1))
