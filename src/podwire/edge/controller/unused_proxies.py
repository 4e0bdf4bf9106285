"""Proxies that no Gateway uses: their Envoys end after a delay, so that a Gateway made again finds them. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

UNUSED_SECONDS = 60.0


class UnusedProxies:
    """Since when each proxy is unused, by what this process has seen. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def due(self, existing: Collection[str], used: Collection[str]) -> tuple[frozenset[str], float | None]:
        """Return the proxies that were unused for the whole delay, and in how many seconds to call again; None: never.

        `existing` are those that have Envoys.
        """
        now, unused = self._clock(), set(existing) - set(used)
        self._since = {one: self._since.get(one, now) for one in unused}
        due = frozenset(one for one, since in self._since.items() if now - since >= UNUSED_SECONDS)
        left = [since + UNUSED_SECONDS - now for one, since in self._since.items() if one not in due]
        return due, min(left, default=None)
