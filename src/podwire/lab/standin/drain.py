"""How a stand-in ends: it serves on while clients still come, as their nodes learn of its end later than it does."""

from __future__ import annotations

import asyncio
import contextlib
import time

RECENT_SECONDS = 5.0
QUIET_SECONDS = 1.0
LONGEST_SECONDS = 10.0


class Drain:
    """When clients came, and whether the stand-in is about to end. `active`: HTTP connections end with their answer.

    Probes are no clients: they come for as long as the pod is there.
    """

    def __init__(self) -> None:
        self.active = False
        self._newest = float("-inf")

    def served(self) -> None:
        """Note that a client has sent a request."""
        self._newest = time.monotonic()

    async def run(self, at_once: asyncio.Event) -> None:
        """Return when no client has come for QUIET_SECONDS, after LONGEST_SECONDS, or when `at_once` is set.

        Without a client in the last RECENT_SECONDS it returns at once.
        """
        self.active = True
        began = time.monotonic()
        if began - self._newest > RECENT_SECONDS:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
                while not at_once.is_set() and (left := self._quiet_in(began)) > 0:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(at_once.wait(), left)

    def _quiet_in(self, began: float) -> float:
        return max(began, self._newest) + QUIET_SECONDS - time.monotonic()
