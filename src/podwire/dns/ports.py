"""The ports that the server listens on: opened and closed as the configuration wants them, others undisturbed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Mapping
from contextlib import AbstractAsyncContextManager

Open = Callable[[], AbstractAsyncContextManager[None]]
"""Opens listeners for the time of a block."""


class Ports:
    """Listeners by what they are for. `close` ends all."""

    def __init__(self) -> None:
        self._open: dict[Hashable, contextlib.AsyncExitStack] = {}

    async def set(self, desired: Mapping[Hashable, Open]) -> None:
        """Open what is new, then close what is not desired. Raises OSError, and changes nothing, where one is taken."""
        opened: dict[Hashable, contextlib.AsyncExitStack] = {}
        try:
            for key, listen in desired.items():
                if key not in self._open:
                    stack = contextlib.AsyncExitStack()
                    await stack.enter_async_context(listen())
                    opened[key] = stack
        except OSError:
            for stack in opened.values():
                await stack.aclose()
            raise
        for key in self._open.keys() - desired.keys():
            await self._open.pop(key).aclose()
        self._open |= opened

    async def close(self) -> None:
        """Close all listeners."""
        await self.set({})
