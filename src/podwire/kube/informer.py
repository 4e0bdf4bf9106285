"""Informers: a live copy of one kind each, kept by list and watch, with listeners for its changes."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import aiohttp

from podwire.kube.backoff import Backoff
from podwire.kube.client import ApiError
from podwire.kube.informer_status import InformerStatus
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.watch import EXPIRED, Change, Named, ObjectCache, Phase
from podwire.kube.watch_lines import LineTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Named)
KindT = TypeVar("KindT", bound=Object)

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.02
LONGEST_RETRY_SECONDS = 2.0
LONGEST_REFUSED_SECONDS = 30.0
"""Between two tries that the server itself refuses or ends with an error: listing again costs it most."""
RETRY_GROWTH = 1.5
"""Slow, as a server that starts beside its clients is there a moment later."""
STEADY_SECONDS = 5.0
"""A stream that lasted this long was well, whatever ended it."""
OBJECTS_A_SECOND = 2_000
"""A lost position of so many objects is worth a second: the clients of a server that restarted read their states again
at random times within it, small states first."""
MOST_ERRORS = 3
"""Streams that a server ends with an error at one position before the whole state is read again: an event that it
cannot send would end each of them."""
UNSUPPORTED = frozenset({400, 422})
"""Answers of a server that sends no initial events (feature WatchList is off)."""


class ListenerError(Exception):
    """A listener raised. The change cannot be delivered again, so the process must restart."""


class WatchError(Exception):
    """The server ended a watch stream with an error, or sent a line that is no event."""


class Informer(Generic[ObjectT]):
    """Follows one kind; `synced` is set when its whole state has been received once.

    The whole state is read in pages or, with `stream_initial`, as the first events of the watch, where the server has
    that. It is read again only when the server has lost the position (410); until that is complete, `objects` has
    states of both times. `keep` returns what is kept of an object, None for nothing.

    Listeners are plain functions called in order for each change; they must be quick. One that raises ends `run` with
    ListenerError: to go on would lose the change for it and for those after it.

    `status` has what `/metrics` shows, under `name` where one process has several informers of a kind.
    """

    @overload
    def __init__(
        self: Informer[KindT],
        client: Client,
        kind: Kind[KindT],
        *,
        field_selector: str = "",
        label_selector: str = "",
        stream_initial: bool = False,
        name: str = "",
    ) -> None: ...

    @overload
    def __init__(
        self,
        client: Client,
        kind: Kind[Any],
        *,
        field_selector: str = "",
        label_selector: str = "",
        keep: Callable[[Any], ObjectT | None],
        stream_initial: bool = False,
        name: str = "",
    ) -> None: ...

    def __init__(
        self,
        client: Client,
        kind: Kind[Any],
        *,
        field_selector: str = "",
        label_selector: str = "",
        keep: Callable[[Any], ObjectT | None] | None = None,
        stream_initial: bool = False,
        name: str = "",
    ) -> None:
        self.synced = asyncio.Event()
        self.status = InformerStatus(kind, role=client.role, name=name)
        self._client = client
        self._kind = kind
        selectors = {"fieldSelector": field_selector, "labelSelector": label_selector}
        self._selection = {name: text for name, text in selectors.items() if text}
        self._cache: ObjectCache[ObjectT] = ObjectCache(kind, keep)
        self._streams = stream_initial
        self._errors = 0
        """Streams that the server ended with an error at the present position."""
        self._listeners: list[Callable[[Change[ObjectT]], None]] = []
        self._changed = asyncio.Event()

    @property
    def objects(self) -> Mapping[NamespacedName, ObjectT]:
        """All objects by namespace and name, not a copy: it changes with each event."""
        return self._cache.objects

    @property
    def version(self) -> int:
        """The position in the server's history up to which `objects` is known; 0 before the first whole state."""
        return int(self._cache.version or 0)

    def restore(self, items: Iterable[Object]) -> None:
        """Take objects as they were known before, while the server is away: its whole state takes their place."""
        self._notify(self._cache.take(items))

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Call the listener for every change from now on, and at once for each known object as a new one."""
        self._listeners.append(listener)
        for item in list(self.objects.values()):
            listener(Change(None, item))

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds; it is tried again after each change."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def run(self) -> None:
        """Follow the server until cancelled, through errors and restarts of it. Raises ListenerError.

        Every end of a stream but an orderly one is followed by a delay, which grows until a stream is well again.
        """
        unreachable = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, RETRY_GROWTH)
        refused = Backoff(FIRST_RETRY_SECONDS, LONGEST_REFUSED_SECONDS)
        now = asyncio.get_running_loop().time
        while True:
            started = now()
            try:
                await self._follow()
                self.status.well()
                unreachable.reset()
                refused.reset()
                continue
            except (ApiError, WatchError, LineTooLongError, aiohttp.ClientError, TimeoutError, OSError) as error:
                backoff = refused if isinstance(error, (ApiError, WatchError, LineTooLongError)) else unreachable
                if now() - started > STEADY_SECONDS:
                    backoff.reset()
                    self.status.well()
                delay = max(backoff.step(), self._spread(), _requested(error))
                self.status.failed(error, delay)
                await asyncio.sleep(delay)

    async def _follow(self) -> None:
        """One watch stream, after one list where needed. Returns when a stream that was of use ended in order."""
        if self._cache.phase is not Phase.WATCHING:
            self._cache.begin()
            if not self._streams:
                await self._list()
        version = self._cache.version
        try:
            await self._watch()
        except ApiError as error:
            if error.code == EXPIRED:
                self._cache.expire()
            if self._cache.phase is Phase.FILLING and error.code in UNSUPPORTED:
                self._streams = False
            raise
        except LineTooLongError:
            self._cache.expire()
            raise
        if self._cache.phase is Phase.FILLING:
            self._streams = False
            raise WatchError("the stream ended within the initial events")
        if self._cache.version == version:
            raise WatchError("the stream ended without an event")

    async def _list(self) -> None:
        version = ""
        async for page in self._client.pages(self._kind, **self._selection):
            version = page.metadata.resource_version
            self._notify(self._cache.take(page.items, page.rejected))
        self._notify(self._cache.complete(version))
        self._complete()

    async def _watch(self) -> None:
        parameters = _INITIAL if self._cache.phase is Phase.FILLING else {"resourceVersion": self._cache.version}
        parameters = {**parameters, "allowWatchBookmarks": "true", **self._selection}
        steady: asyncio.TimerHandle | None = None
        try:
            async for line in self._client.watch(self._kind, **parameters):
                if line:
                    self._take(line)
                else:  # open: it works also while nothing changes, unless the server ends it at once
                    steady = asyncio.get_running_loop().call_later(STEADY_SECONDS, self.status.received)
        finally:
            if steady is not None:
                steady.cancel()

    def _take(self, line: bytes) -> None:
        """Take one line of the stream. Raises WatchError where it ends the stream."""
        change = self._cache.apply(line)
        if (refusal := self._cache.refusal) is not None:
            self._refused()
            raise WatchError(f"{refusal.code or 'no event'}: {refusal.message}")
        self._errors = 0
        if self._cache.phase is Phase.COMPLETE:
            self._notify(self._cache.complete(self._cache.version))
            self._complete()
        self.status.received()
        if len(self._cache.rejected) != self.status.undecodable or change is None:
            self.status.rejected(self._cache.rejected.values())
        if change is not None:
            self._notify([change])

    def _complete(self) -> None:
        """Record that the whole state is known."""
        self.status.listed()
        self.status.rejected(self._cache.rejected.values())
        self.synced.set()
        self._changed.set()

    def _refused(self) -> None:
        """Count an error at the end of a stream: after a few, the position is given up."""
        self._cache.refusal = None
        self._errors += 1
        if self._errors >= MOST_ERRORS:
            self._errors = 0
            self._cache.expire()

    def _spread(self) -> float:
        """Seconds before a lost state is read again: random, longer for more objects. 0 for the first state."""
        if self._cache.phase is Phase.WATCHING or not self.synced.is_set():
            return 0.0
        return random.uniform(0, len(self.objects) / OBJECTS_A_SECOND)  # noqa: S311 spreads load, no secret

    def _notify(self, changes: list[Change[ObjectT]]) -> None:
        for change in changes:
            for listener in self._listeners:
                try:
                    listener(change)
                except Exception as error:
                    raise ListenerError(f"a listener of {self._kind.resource} failed") from error
        self._changed.set()


_INITIAL = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
"""The most recent state, and what follows it, in one stream."""


def _requested(error: Exception) -> float:
    """Seconds that the server requests to wait (Retry-After), half as much again at most: all clients got the same."""
    seconds = error.retry_after if isinstance(error, ApiError) else 0.0
    return seconds * random.uniform(1, 1.5)  # noqa: S311 spreads load, no secret
