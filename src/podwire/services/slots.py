"""Slots: the numbers among which a connection's endpoint is drawn, kept from change to change. Pure.

A draw among N slots needs the slots 0..N-1 to be filled, all of them. For up to 64 endpoints there are as many slots as
endpoints. For more there is a chain only for a few numbers, and endpoints repeat: up to 1,024 have two slots or more,
so that none gets more than half as much again as another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from podwire.kube.backends import Backend

EXACT = 64
REPEATING = (256, 512, 1024, 2048)
SIZES = (*range(1, EXACT + 1), *REPEATING)
"""The numbers of slots for which services.nft has a chain. More than 64 exact ones would slow every transaction."""
MOST_BACKENDS = REPEATING[-1]
"""Endpoints of one port of a Service that are used; Kubernetes plans for 250."""

AFFINE_EXACT = 8
AFFINE_REPEATING = (64, 256, 1024)
AFFINE_SIZES = (*range(1, AFFINE_EXACT + 1), *AFFINE_REPEATING)
"""The same with session affinity: fewer, as such a draw has a chain of its own and happens once a client."""
MOST_AFFINE_BACKENDS = AFFINE_REPEATING[-1] // 2


def size_for(backends: int, *, affine: bool = False) -> int:
    """The number of slots for so many endpoints."""
    exact, repeating = (AFFINE_EXACT, AFFINE_REPEATING) if affine else (EXACT, REPEATING)
    if backends <= exact:
        return backends
    return next((size for size in repeating if size >= 2 * backends), repeating[-1])


def place(
    previous: Sequence[Backend | None], backends: Iterable[Backend], *, affine: bool = False
) -> tuple[Backend, ...]:
    """The endpoint of each slot. An endpoint keeps its slots as long as there is room and the shares are even."""
    desired = sorted(dict.fromkeys(backends))[: MOST_AFFINE_BACKENDS if affine else MOST_BACKENDS]
    if not desired:
        return ()
    size = size_for(len(desired), affine=affine)
    if size == len(desired) and not previous:  # a new pool of few endpoints, the usual case of a cold start
        return tuple(desired)
    shares = _Shares(desired, size)
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
