"""Restarts a controller that fails, so that one failure does not end the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

FIRST_RESTART_SECONDS = 0.1
LONGEST_RESTART_SECONDS = 10.0


async def supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run the work until cancelled; start it again with a growing delay when it fails. `name` is for the log."""
    delay = FIRST_RESTART_SECONDS
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await work()
        except Exception:
            log.exception("%s failed; restart in %.1f s", name, delay)
        if asyncio.get_running_loop().time() - started > LONGEST_RESTART_SECONDS:
            delay = FIRST_RESTART_SECONDS
        await asyncio.sleep(delay)
        delay = min(delay * 2, LONGEST_RESTART_SECONDS)
