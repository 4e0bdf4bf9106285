"""The kernel's tables compared with the rows while no write fails: another program may have changed them.

Nothing is read while the kernel counts no transaction of nftables. After one it is read at most once a minute, and so
seldom that it takes no more than a part in SHARE of the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from podwire.engine.reconcile import Reconciler
from podwire.kernel.netlink import NetlinkError
from podwire.kernel.nft_generation import NftGeneration

log = logging.getLogger(__name__)

TABLES = frozenset({"sources of pods", "rules of pods", "services", "policy", "egress", "redirection"})
"""Targets that are tables of nftables."""
EVERY_SECONDS = 60.0
SHARE = 200
ANSWER_SECONDS = 10.0
"""A target whose writes fail is read back by its own retries."""


class Readback:
    """Compares all tables of a node."""

    def __init__(
        self,
        reconcilers: Callable[[], Sequence[Reconciler[Any, Any]]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._reconcilers = reconcilers
        self._sleep = sleep

    async def run(self, ready: asyncio.Event) -> None:
        """Compare after changes of nftables until cancelled; begin once the agent is ready."""
        await ready.wait()
        generation, known, pause = NftGeneration(), -1, EVERY_SECONDS
        while True:
            await self._sleep(pause)
            try:
                now = generation.now()
            except NetlinkError as error:
                log.warning("the generation of nftables cannot be read: %s", error)
                continue
            if now == known:
                continue
            known = now
            pause = max(EVERY_SECONDS, SHARE * await self._compared())

    async def compare(self) -> None:
        """Compare now, and wait until what differed is written again, or for ANSWER_SECONDS."""
        await self._compared()

    async def _compared(self) -> float:
        """Return how many seconds it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        found = [one for one in self._reconcilers() if one.name in TABLES]
        for one in found:
            one.compare()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await asyncio.gather(*(one.settle() for one in found))
        return loop.time() - began
