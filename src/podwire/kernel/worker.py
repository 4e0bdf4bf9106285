"""A thread for the blocking calls of one sink, so that the event loop goes on serving meanwhile."""

from __future__ import annotations

import asyncio
from concurrent import futures
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")

REST_SECONDS = 3.0
"""Time without a call after which `rest` is called."""


class Worker:
    """One thread, in the network namespace that its maker was in. Calls run one after another, in order.

    `rest` is called in the thread some seconds after the last call, as to release memory that only calls need.
    """

    def __init__(self, name: str, rest: Callable[[], object] | None = None) -> None:
        self._executor = futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._rest = rest
        self._resting: asyncio.TimerHandle | None = None
        # A thread inherits the namespace of the one that starts it: start it now, not with the first call.
        self._executor.submit(int).result()

    async def run(
        self, function: Callable[ArgumentsT, ResultT], *arguments: ArgumentsT.args, **options: ArgumentsT.kwargs
    ) -> ResultT:
        """Return or raise what the function does. A cancelled caller leaves the call running."""
        loop = asyncio.get_running_loop()
        if self._resting is not None:
            self._resting.cancel()
        if self._rest is not None:
            self._resting = loop.call_later(REST_SECONDS, self._executor.submit, self._rest)
        return await loop.run_in_executor(self._executor, lambda: function(*arguments, **options))
