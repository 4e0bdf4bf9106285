"""Slots: the numbers of a frontend's endpoints in the kernel, kept from change to change. Pure.

A draw among N slots needs the slots 0..N-1 to be filled, all of them. For up to 64 endpoints there are as many slots as
endpoints. For more there is a chain only for a few numbers, and endpoints repeat: up to 1,024 have two slots or more,
so that none gets more than half as much again as another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from podwire.kube.backends import Backend
from podwire.services.model import Frontend

OwnerT = TypeVar("OwnerT")

EXACT = 64
REPEATING = (256, 512, 1024, 2048)
SIZES = (*range(1, EXACT + 1), *REPEATING)
"""The numbers of slots for which services.nft has a chain. More than 64 exact ones would slow every transaction."""
MOST_BACKENDS = REPEATING[-1]
"""Endpoints of one frontend that are used; Kubernetes plans for 250."""


def size_for(backends: int) -> int:
    """The number of slots for so many endpoints."""
    if backends <= EXACT:
        return backends
    return next((size for size in REPEATING if size >= 2 * backends), REPEATING[-1])


def place(previous: Sequence[Backend | None], backends: Iterable[Backend]) -> tuple[Backend, ...]:
    """The endpoint of each slot. Whoever has a slot keeps it as long as there is room and the shares are even."""
    wanted = sorted(set(backends))[:MOST_BACKENDS]
    if not wanted:
        return ()
    size = size_for(len(wanted))
    shares = _Shares(wanted, size)
    placed = [backend if backend is not None and shares.take(backend) else None for backend in previous[:size]]
    placed += [None] * (size - len(placed))
    rest = shares.rest()
    return tuple(next(rest) if backend is None else backend for backend in placed)


class _Shares:
    """How many slots each endpoint may still take: equal shares, and one more for as many as the division leaves."""

    def __init__(self, backends: Sequence[Backend], size: int) -> None:
        share, self._extra = divmod(size, len(backends))
        self._left = dict.fromkeys(backends, share)

    def take(self, backend: Backend) -> bool:
        left = self._left.get(backend)
        if left is None or left < 0:
            return False
        if left == 0:
            if not self._extra:
                return False
            self._extra -= 1
        self._left[backend] = left - 1
        return True

    def rest(self) -> Iterator[Backend]:
        """The shares that are left: first the equal shares in turn, then the extra ones."""
        while any(left > 0 for left in self._left.values()):
            for backend, left in self._left.items():
                if left > 0:
                    self._left[backend] = left - 1
                    yield backend
        yield from (backend for backend, left in self._left.items() if left == 0)


class Slots(Generic[OwnerT]):
    """The slots of all frontends, by the owner that claims them."""

    def __init__(self) -> None:
        self._placed: dict[OwnerT, dict[Frontend, tuple[Backend, ...]]] = {}
        self._restored: dict[Frontend, tuple[Backend | None, ...]] = {}

    def restore(self, held: Mapping[Frontend, Mapping[int, Backend]]) -> None:
        """The kernel was read: it holds these slots. They count for frontends without an owner yet."""
        self._restored = {frontend: _dense(slots) for frontend, slots in held.items()}

    def keep(
        self, owner: OwnerT, wanted: Mapping[Frontend, Sequence[Backend]]
    ) -> Mapping[Frontend, tuple[Backend, ...]]:
        """The endpoint of each slot of the owner's frontends; frontends that it no longer names are forgotten."""
        before = self._placed.pop(owner, {})
        placed = {
            frontend: place(before.get(frontend) or self._restored.pop(frontend, ()), backends)
            for frontend, backends in wanted.items()
        }
        if placed:
            self._placed[owner] = placed
        return placed


def _dense(slots: Mapping[int, Backend]) -> tuple[Backend | None, ...]:
    return tuple(slots.get(slot) for slot in range(max(slots) + 1))
