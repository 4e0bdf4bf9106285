"""Informers: a live copy of one kind each, kept by list and watch, with listeners for its changes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, TypeVar

import aiohttp

from podwire.kube.backoff import Backoff
from podwire.kube.client import ApiError
from podwire.kube.informer_status import InformerStatus
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.watch import Change, ObjectCache, Phase
from podwire.kube.watch_lines import LineTooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.02
LONGEST_RETRY_SECONDS = 2.0
LONGEST_REFUSED_SECONDS = 30.0
"""Between two tries that the server itself refuses or ends with an error: listing again costs it most."""
RETRY_GROWTH = 1.5
"""Slow, as a server that starts beside its clients is there a moment later."""
STEADY_SECONDS = 5.0
"""A stream that lasted this long was well, whatever ended it."""


class ListenerError(Exception):
    """A listener raised. The change cannot be delivered again, so the process must restart."""


class WatchError(Exception):
    """The server ended a watch stream with an error, or sent a line that is no event."""


class Informer(Generic[ObjectT]):
    """Follows one kind. `objects` is always a state that the server had; `synced` is set after the first list.

    Listeners are plain functions called in order for each change; they must be quick. One that raises ends `run` with
    ListenerError: to go on would lose the change for it and for those after it.

    `status` has what `/metrics` shows.
    """

    def __init__(self, client: Client, kind: Kind[ObjectT], namespace: str = "", *, field_selector: str = "") -> None:
        self.synced = asyncio.Event()
        self.status = InformerStatus(kind, role=client.role)
        self._client = client
        self._kind = kind
        self._namespace = namespace
        self._selection = {"fieldSelector": field_selector} if field_selector else {}
        self._cache: ObjectCache[ObjectT] = ObjectCache(kind)
        self._listeners: list[Callable[[Change[ObjectT]], None]] = []
        self._changed = asyncio.Event()

    @property
    def objects(self) -> Mapping[NamespacedName, ObjectT]:
        """All objects by namespace and name. Do not keep it: a new list replaces it."""
        return self._cache.objects

    @property
    def version(self) -> int:
        """The position in the server's history up to which `objects` is known; 0 before the first list."""
        return int(self._cache.version or 0)

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
                delay = backoff.step()
                self.status.failed(error, delay)
                await asyncio.sleep(delay)

    async def _follow(self) -> None:
        """One list, where needed, and one watch stream. Returns when a stream that was of use ended in order."""
        if self._cache.phase is Phase.LISTING:
            await self._list()
        version = self._cache.version
        try:
            await self._watch()
        except ApiError as error:
            if error.code == 410:
                self._cache.expire()
            raise
        except LineTooLongError:
            self._cache.expire()
            raise
        if self._cache.version == version:
            raise WatchError("the stream ended without an event")

    async def _list(self) -> None:
        answer = await self._client.list(self._kind, self._namespace, **self._selection)
        changes = self._cache.replace(answer.items, answer.metadata.resource_version, answer.rejected)
        self.status.listed()
        self.status.rejected(answer.rejected)
        self._notify(changes)
        self.synced.set()

    async def _watch(self) -> None:
        parameters = {
            "resourceVersion": self._cache.version,
            "allowWatchBookmarks": "true",
            **self._selection,
        }
        async for line in self._client.watch(self._kind, self._namespace, **parameters):
            change = self._cache.apply(line)
            if (refusal := self._cache.refusal) is not None:
                raise WatchError(f"{refusal.code or 'no event'}: {refusal.message}")
            self.status.heard()
            if len(self._cache.rejected) != self.status.undecodable or change is None:
                self.status.rejected(self._cache.rejected.values())
            if change is not None:
                self._notify([change])

    def _notify(self, changes: list[Change[ObjectT]]) -> None:
        for change in changes:
            for listener in self._listeners:
                try:
                    listener(change)
                except Exception as error:
                    raise ListenerError(f"a listener of {self._kind.resource} failed") from error
        self._changed.set()
