"""Wait for a state of a cluster by looking at it again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 120.0


async def until(reached: Callable[[], Awaitable[bool]], patience: float | None = None) -> bool:
    """Return whether the state was reached within `patience` seconds, PATIENCE_SECONDS by default."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (PATIENCE_SECONDS if patience is None else patience)
    while not await reached():
        if loop.time() > deadline:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True
