"""A thread for the blocking calls of one sink, so that the event loop goes on serving meanwhile."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")


class Worker:
    """One thread, in the network namespace that its maker was in. Calls run one after another, in order."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        # A thread inherits the namespace of the one that starts it: start it now, not with the first call.
        self._executor.submit(int).result()

    async def run(
        self, function: Callable[ArgumentsT, ResultT], *arguments: ArgumentsT.args, **options: ArgumentsT.kwargs
    ) -> ResultT:
        """Return or raise what the function does. A cancelled caller leaves the call running."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: function(*arguments, **options))
