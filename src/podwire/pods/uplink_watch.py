"""Following the uplink: the node's links, addresses and routes change, and its pods' links and routes follow.

Reports come in bursts (a renewed lease is an address deleted and added again), so they are waited out for a moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from podwire.kernel.network_events import NetworkEvents, Report
from podwire.pods.attachment import LINK_PREFIX

log = logging.getLogger(__name__)

FIRST_PROTOCOL, LAST_PROTOCOL = 112, 114
"""The protocol numbers of podwire's own routes: their changes are no news."""
BURST_SECONDS = 0.1
REST_SECONDS = 0.5
"""After each reading: a routing daemon may change routes all the time."""
RETRY_SECONDS = 2.0


_DOUBTFUL = frozenset({Report.LINK, Report.ADDRESS_REMOVED})
"""With a link that went down, or an address that was removed, the kernel has removed routes without a report."""


class Reread(Protocol):
    """Reads the uplink."""

    def __call__(self, *, doubtful: bool = False, rerouted: bool = False) -> bool:
        """Return whether pods have to follow. Raises OSError.

        `doubtful`: the kernel may have removed routes of ours. `rerouted`: routes of others have changed.
        """
        ...


class UplinkWatch:
    """Calls `reread` when the kernel reports a change, and `follow` where pods have to. Make it in the namespace."""

    def __init__(self, reread: Reread, follow: Callable[[], Awaitable[None]]) -> None:
        self._reread = reread
        self._follow = follow
        self._events = NetworkEvents(LINK_PREFIX, FIRST_PROTOCOL, LAST_PROTOCOL)
        self._reports: set[Report] = set()
        self._reported = asyncio.Event()
        self._due = asyncio.Event()

    def look(self) -> None:
        """Read the uplink now: the Node's own addresses have changed. Pods follow soon."""
        if self._reread():
            self._due.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._events.fileno(), self._receive)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._reread_reported())
                tasks.create_task(self._let_pods_follow())
        finally:
            loop.remove_reader(self._events.fileno())

    def _receive(self) -> None:
        self._reports |= self._events.drain()
        if self._reports:
            self._reported.set()

    async def _reread_reported(self) -> None:
        while True:
            await self._reported.wait()
            await asyncio.sleep(BURST_SECONDS)
            self._reported.clear()
            reports = frozenset(self._reports)
            self._reports.clear()
            try:
                if self._reread(doubtful=bool(reports & _DOUBTFUL), rerouted=Report.ROUTE in reports):
                    self._due.set()
            except OSError as error:
                log.warning("the uplink cannot be read: %s; trying again", error)
                await asyncio.sleep(RETRY_SECONDS)
                self._reports |= reports
                self._reported.set()
            await asyncio.sleep(REST_SECONDS)

    async def _let_pods_follow(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._follow()
            except OSError as error:
                log.warning("pods' links cannot follow the uplink: %s; trying again", error)
                await asyncio.sleep(RETRY_SECONDS)
                self._due.set()
