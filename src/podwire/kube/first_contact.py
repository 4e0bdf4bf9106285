"""The first requests to a server that may be away: one finds out, and the others share its outcome.

A process has an informer for each kind. While the server starts, each of them would try to connect again and again;
and where all connect at once, none of their connections can resume the TLS session of another.
"""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, TypeVar

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ResponseT = TypeVar("ResponseT")


class FirstContact:
    """Makes requests of one client to one server: one at a time until one gets a response, then all at once.

    A connection that the server refuses later begins this again.
    """

    def __init__(self) -> None:
        self._made = False
        self._trial: asyncio.Future[None] | None = None

    async def request(self, send: Callable[[], Awaitable[ResponseT]]) -> ResponseT:
        """Send a request; raises what `send` raises, or the error of the request that this one waited for."""
        while not self._made and self._trial is not None:
            await _outcome(self._trial)
        if not self._made:
            return await self._try(send)
        try:
            return await send()
        except aiohttp.ClientConnectorError:
            self._made = False
            raise

    async def _try(self, send: Callable[[], Awaitable[ResponseT]]) -> ResponseT:
        """Be the one request that others wait for."""
        trial = self._trial = asyncio.get_running_loop().create_future()
        try:
            response = await send()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            trial.set_exception(copy.copy(error))
            trial.exception()  # there may be nobody else who takes it
            raise
        else:
            self._made = True
            return response
        finally:
            self._trial = None
            if not trial.done():
                trial.set_result(None)


async def _outcome(trial: asyncio.Future[None]) -> None:
    """Wait for another request. Raises its error; returns where it got a response or was given up."""
    await asyncio.wait((trial,))
    if (error := trial.exception()) is not None:
        raise copy.copy(error)
