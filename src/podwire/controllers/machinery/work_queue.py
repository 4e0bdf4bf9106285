"""The work queue of a controller: keys that are dirty, each once, each with one worker at a time.

`Agenda` is the whole logic, without a clock or tasks; `WorkQueue` waits and works.

    state of a key    add            take        finished          failed
    idle              waiting        -           -                 -
    waiting           waiting        working     -                 -
    working           working+again  -           idle              waiting, after a delay
    working+again     same           -           waiting           waiting, after a delay
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
PASSING = frozenset({"Conflict", "AlreadyExists", "NotFound"})
"""Reasons by which the server says that our view is old: the next try, with a newer view, is the remedy."""


class Agenda(Generic[KeyT]):
    """Which key is worked on next. Times are seconds of any one clock."""

    def __init__(self) -> None:
        self._due: dict[KeyT, float] = {}
        self._heap: list[tuple[float, int, KeyT]] = []
        self._order = itertools.count()
        self._working: dict[KeyT, float | None] = {}
        self._failures: dict[KeyT, int] = {}

    def add(self, key: KeyT, at: float) -> None:
        """The key wants to be worked on at this time; an earlier wish stands."""
        if key in self._working:
            wish = self._working[key]
            self._working[key] = at if wish is None else min(wish, at)
        elif at < self._due.get(key, math.inf):
            self._due[key] = at
            heapq.heappush(self._heap, (at, next(self._order), key))

    def take(self, now: float) -> KeyT | None:
        """The next key that is due; it stays in the caller's hands until finished or failed."""
        due = self.next_due()
        if due is None or due > now:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._due[key]
        self._working[key] = None
        return key

    def finished(self, key: KeyT) -> None:
        """The work on a key went well."""
        again = self._working.pop(key)
        self._failures.pop(key, None)
        if again is not None:
            self.add(key, again)

    def failed(self, key: KeyT, now: float) -> float:
        """The work went wrong: the key comes back after a delay that doubles; answers the delay."""
        failures = self._failures.get(key, 0)
        delay = min(math.ldexp(FIRST_RETRY_SECONDS, min(failures, 20)), LONGEST_RETRY_SECONDS)
        self._failures[key] = failures + 1
        del self._working[key]
        self.add(key, now + delay)
        return delay

    def next_due(self) -> float | None:
        """When the next free key is due."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # an earlier wish for this key came later
        return self._heap[0][0] if self._heap else None


class WorkQueue(Generic[KeyT]):
    """An agenda and the tasks that work on it."""

    def __init__(self, name: str, handle: Callable[[KeyT], Awaitable[None]], *, workers: int = 8) -> None:
        self._name = name
        self._handle = handle
        self._workers = workers
        self._agenda: Agenda[KeyT] = Agenda()
        self._wake = asyncio.Event()

    def add(self, key: KeyT, after: float = 0.0) -> None:
        """Work on the key soon, or after this many seconds."""
        self._agenda.add(key, _now() + after)
        self._wake.set()

    async def run(self) -> None:
        """Work for ever. A key whose work raises comes back after a delay."""
        free = asyncio.Semaphore(self._workers)
        async with asyncio.TaskGroup() as tasks:
            while True:
                await free.acquire()
                tasks.create_task(self._work(await self._take(), free))

    async def _take(self) -> KeyT:
        while True:
            self._wake.clear()
            key = self._agenda.take(_now())
            if key is not None:
                return key
            due = self._agenda.next_due()
            await _wait(self._wake, None if due is None else due - _now())

    async def _work(self, key: KeyT, free: asyncio.Semaphore) -> None:
        try:
            await self._handle(key)
        except Exception as error:  # one broken object must not stop the work on all others
            delay = self._agenda.failed(key, _now())
            self._tell(key, error, delay)
        else:
            self._agenda.finished(key)
        finally:
            free.release()
            self._wake.set()

    def _tell(self, key: KeyT, error: Exception, delay: float) -> None:
        if isinstance(error, ApiError) and error.reason in PASSING:
            log.debug("%s: %s: %s; again in %.2f s", self._name, key, error, delay)
        elif isinstance(error, (ApiError, aiohttp.ClientError, TimeoutError, OSError)):
            log.warning("%s: %s: %s; again in %.2f s", self._name, key, error, delay)
        else:
            log.error("%s: %s: again in %.2f s", self._name, key, delay, exc_info=error)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    """Return when the event is set or the time is over."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
