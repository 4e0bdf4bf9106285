"""The work queue of a controller: each dirty key is queued once, and one worker at a time handles it.

`DelayQueue` holds the logic, without a clock or tasks; `WorkQueue` runs it. Source: client-go `util/workqueue`.

    state of a key      add                take          finished      failed
    idle                waiting            -             -             -
    waiting             waiting            processing    -             -
    processing          processing+dirty   -             idle          waiting, after a delay
    processing+dirty    same               -             waiting       waiting, after a delay
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import aiohttp

from podwire.kube.client import ApiError

KeyT = TypeVar("KeyT", bound=Hashable)

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.01
LONGEST_RETRY_SECONDS = 5.0
EXPECTED_ERRORS = frozenset({"Conflict", "AlreadyExists", "NotFound"})
"""Reasons of the server that only mean that the cache was old: the retry, with a newer cache, succeeds."""


class DelayQueue(Generic[KeyT]):
    """Keys with the time at which they are due. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._due: dict[KeyT, float] = {}
        self._heap: list[tuple[float, int, KeyT]] = []
        self._order = itertools.count()
        self._processing: dict[KeyT, float | None] = {}
        self._failures: dict[KeyT, int] = {}

    def add(self, key: KeyT, at: float) -> None:
        """Queue the key for this time; of several times the earliest counts."""
        if key in self._processing:
            again = self._processing[key]
            self._processing[key] = at if again is None else min(again, at)
        elif at < self._due.get(key, math.inf):
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))

    def take(self, now: float) -> KeyT | None:
        """Return the next key that is due, or None. No other worker gets it until `finished` or `failed`."""
        due = self.next_due()
        if due is None or due > now:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._due[key]
        self._processing[key] = None
        return key

    def finished(self, key: KeyT) -> None:
        """End the processing of a key and reset its retry delay."""
        again = self._processing.pop(key)
        self._failures.pop(key, None)
        if again is not None:
            self.add(key, again)

    def failed(self, key: KeyT, now: float) -> float:
        """End the processing of a key and queue it again; return the delay in seconds, which doubles each time."""
        failures = self._failures.get(key, 0)
        delay = min(math.ldexp(FIRST_RETRY_SECONDS, min(failures, 20)), LONGEST_RETRY_SECONDS)
        self._failures[key] = failures + 1
        del self._processing[key]
        self.add(key, now + delay)
        return delay

    def next_due(self) -> float | None:
        """Return when the next waiting key is due; None where none waits."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # an earlier time for this key was added later
        return self._heap[0][0] if self._heap else None


class WorkQueue(Generic[KeyT]):
    """A delay queue and the tasks that handle its keys. `name` is for the log."""

    def __init__(self, name: str, handle: Callable[[KeyT], Awaitable[None]], *, workers: int = 8) -> None:
        self._name = name
        self._handle = handle
        self._workers = workers
        self._queue: DelayQueue[KeyT] = DelayQueue()
        self._wake = asyncio.Event()

    def add(self, key: KeyT, after: float = 0.0) -> None:
        """Queue the key, to be handled after this many seconds."""
        self._queue.add(key, _now() + after)
        self._wake.set()

    async def run(self) -> None:
        """Handle keys until cancelled. A key whose handler raises is logged and queued again with a delay."""
        free = asyncio.Semaphore(self._workers)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                tasks.create_task(self._process(await self._take(), free))

    async def _take(self) -> KeyT:
        while True:
            self._wake.clear()
            key = self._queue.take(_now())
            if key is not None:
                return key
            due = self._queue.next_due()
            await _wait(self._wake, None if due is None else due - _now())

    async def _process(self, key: KeyT, free: asyncio.Semaphore) -> None:
        try:
            await self._handle(key)
        except Exception as error:  # one broken object must not stop the work on all others
            delay = self._queue.failed(key, _now())
            self._log_failure(key, error, delay)
        else:
            self._queue.finished(key)
        finally:
            free.release()
            self._wake.set()

    def _log_failure(self, key: KeyT, error: Exception, delay: float) -> None:
        if isinstance(error, ApiError) and error.reason in EXPECTED_ERRORS:
            log.debug("%s: %s: %s; retry in %.2f s", self._name, key, error, delay)
        elif isinstance(error, (ApiError, aiohttp.ClientError, TimeoutError, OSError)):
            log.warning("%s: %s: %s; retry in %.2f s", self._name, key, error, delay)
        else:
            log.error("%s: %s: retry in %.2f s", self._name, key, delay, exc_info=error)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    """Return when the event is set or the time is over."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
