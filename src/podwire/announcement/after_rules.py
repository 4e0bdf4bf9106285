"""A sink that announces nothing before the node has the rules of its Services: connections would come and be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic

from podwire.engine.row import Delta, RowT
from podwire.engine.sink import Sink

RULES_SECONDS = 10.0
"""How long a batch waits; then what has changed meanwhile is taken into account."""


class AfterRules(Generic[RowT]):
    """Passes rows on to `sink`: removals at once, the others when `settled` has returned.

    `settled` waits until what is known of Services is in the kernel.
    """

    def __init__(self, sink: Sink[RowT], settled: Callable[[], Awaitable[None]]) -> None:
        self._sink = sink
        self._settled = settled

    async def read(self) -> Iterable[RowT]:
        """Return what the sink holds. Raises SinkError."""
        return await self._sink.read()

    async def write(self, delta: Delta[RowT]) -> None:
        """Raises SinkError, and TimeoutError where the rules do not come in time: that is no refusal of a row."""
        if delta.removals:
            await self._sink.write(Delta(removals=delta.removals))
        if not delta.upserts:
            return
        try:
            async with asyncio.timeout(RULES_SECONDS):
                await self._settled()
        except TimeoutError:
            raise TimeoutError(f"the rules of Services are not in the kernel after {RULES_SECONDS:.0f} s") from None
        await self._sink.write(Delta(delta.upserts, replaced=delta.replaced))
