"""Sources of packets that only one process of a node may read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from podwire.kernel.netlink import NetlinkError

log = logging.getLogger(__name__)

OPEN_SECONDS = 1.0
"""Before a source is opened again, while the agent before this one still has it."""
SourceT = TypeVar("SourceT")


async def opened(source: Callable[[], SourceT], missing: str) -> SourceT:
    """Return the source, as soon as no other process reads it; log once what is missing until then."""
    warned = False
    while True:
        try:
            return source()
        except NetlinkError as error:
            if not warned:
                log.warning("%s: %s", missing, error)
            warned = True
            await asyncio.sleep(OPEN_SECONDS)
