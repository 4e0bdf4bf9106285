"""Watch streams on the wire: lines of watchers as they come, no faster than each client takes them.

An event for a hundred watchers must not wake a hundred tasks: live streams are sent in rounds, straight into their
connections. A round is followed by a rest as long as itself, in which the next events gather, so that sending never
takes more than half of the server's time, and a single event goes out at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from podwire.apiserver.reads.watcher import CHUNK, Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from podwire.apiserver.reads.watcher import Watcher

log = logging.getLogger(__name__)

LARGEST_SLICE = 64
"""Streams that are sent without a break, so that requests get their turn."""


class Rounds:
    """Calls the streams that have something to send, one after the other, with a rest after each round."""

    def __init__(self) -> None:
        self._waiting: dict[Callable[[], None], None] = {}
        self._planned = False
        self._began = 0.0
        self._rested = 0.0

    def join(self, send: Callable[[], None]) -> None:
        """Call this function in the next round, once."""
        self._waiting[send] = None
        if not self._planned:
            self._planned = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(self._rested, loop.time()), self._begin)

    def _begin(self) -> None:
        self._began = asyncio.get_running_loop().time()
        round_, self._waiting = list(self._waiting), {}
        self._go_on(round_)

    def _go_on(self, round_: list[Callable[[], None]]) -> None:
        loop = asyncio.get_running_loop()
        for send in round_[:LARGEST_SLICE]:
            try:
                send()
            except Exception:  # the other streams have theirs to send, now and in all rounds to come
                log.exception("a watch stream could not be sent")
        if rest := round_[LARGEST_SLICE:]:
            loop.call_soon(self._go_on, rest)
            return
        self._rested = 2 * loop.time() - self._began
        self._planned = bool(self._waiting)
        if self._planned:
            loop.call_at(self._rested, self._begin)


class WatchStream:
    """One stream on its connection. `response` is prepared, with its headers sent or about to be."""

    def __init__(self, raw: web.BaseRequest, response: web.StreamResponse, watcher: Watcher, rounds: Rounds) -> None:
        self._raw = raw
        self._response = response
        self._watcher = watcher
        self._rounds = rounds
        self._news = asyncio.Event()
        self._idle = False

    async def run(self, version: Callable[[], int]) -> None:
        """Send until the watcher or the client ends; `version` returns the store's, for bookmarks."""
        watcher, loop = self._watcher, asyncio.get_running_loop()
        watcher.wake = self._wake
        with contextlib.suppress(ConnectionError):
            while not watcher.finished:
                self._news.clear()
                if chunk := watcher.take():
                    await self._response.write(chunk)
                else:
                    await self._wait(watcher.next_tick)
                    watcher.tick(loop.time(), version())
            await self._response.write_eof()

    async def _wait(self, until: float) -> None:
        """All is sent: from now on rounds send, until there is more to do than that."""
        timer = asyncio.get_running_loop().call_at(until, self._news.set)
        self._idle = True
        try:
            await self._news.wait()
        finally:
            self._idle = False
            timer.cancel()

    def _wake(self) -> None:
        if self._watcher.phase is Phase.BROKEN and self._raw.transport is not None:
            self._raw.transport.abort()
        if self._idle and self._watcher.phase is Phase.LIVE:
            self._rounds.join(self._send)
        else:
            self._news.set()

    def _send(self) -> None:
        """Send one chunk (RFC 9112, 7.1); `run` waits for a client that is behind, and for one that is gone."""
        transport = self._raw.transport
        if not self._idle or transport is None or transport.is_closing() or transport.get_write_buffer_size():
            self._news.set()
        elif lines := self._watcher.take():
            transport.write(b"%x\r\n%b\r\n" % (len(lines), lines))
            if len(lines) >= CHUNK:
                self._news.set()
