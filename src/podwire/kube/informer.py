"""Informers: a live copy of one kind each, kept by list and watch, and those who want to hear of changes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, TypeVar

import aiohttp

from podwire.kube.client import ApiError
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.watch import Change, Mirror, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 0.02
LONGEST_RETRY_SECONDS = 2.0
RETRY_GROWTH = 1.5
"""Slow, as a server that starts beside its clients is there a moment later."""


class ListenerError(Exception):
    """A listener raised. What it missed cannot be told again, so whoever runs the informer must start anew."""


class Informer(Generic[ObjectT]):
    """Follows one kind. `objects` is always a state that the server had; `synced` is set after the first list.

    Listeners are plain functions called in order for each change; they must be quick. One that raises ends `run` with
    ListenerError: to go on would lose the change for it and for those after it.
    """

    def __init__(self, client: Client, kind: Kind[ObjectT], namespace: str = "", *, field_selector: str = "") -> None:
        self.synced = asyncio.Event()
        self._client = client
        self._kind = kind
        self._namespace = namespace
        self._selection = {"fieldSelector": field_selector} if field_selector else {}
        self._mirror: Mirror[ObjectT] = Mirror(kind.type)
        self._listeners: list[Callable[[Change[ObjectT]], None]] = []
        self._changed = asyncio.Event()

    @property
    def objects(self) -> Mapping[NamespacedName, ObjectT]:
        """All objects by namespace and name. Do not keep it: a new list replaces it."""
        return self._mirror.objects

    @property
    def version(self) -> int:
        """The position in the server's history up to which `objects` is known; 0 before the first list."""
        return int(self._mirror.version or 0)

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Hear of every change from now on; objects that are known already are told as new ones."""
        self._listeners.append(listener)
        for item in list(self.objects.values()):
            listener(Change(None, item))

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds; it is tried again after each change."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def run(self) -> None:
        """Follow the server for ever, through errors and restarts of it. Raises ListenerError."""
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                if await self._follow():
                    delay = FIRST_RETRY_SECONDS
                else:
                    await asyncio.sleep(FIRST_RETRY_SECONDS)
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                if isinstance(error, ApiError) and error.code == 410:
                    self._mirror.lost()
                log.debug("following %s: %s; again in %.2f s", self._kind.resource, error, delay)
                await asyncio.sleep(delay)
                delay = min(delay * RETRY_GROWTH, LONGEST_RETRY_SECONDS)

    async def _follow(self) -> bool:
        """One list, where needed, and one watch stream; whether the stream carried anything."""
        if self._mirror.phase is Phase.LISTING:
            answer = await self._client.list(self._kind, self._namespace, **self._selection)
            self._tell(self._mirror.listed(answer.items, answer.metadata.resource_version))
            self.synced.set()
        parameters = {
            "resourceVersion": self._mirror.version,
            "allowWatchBookmarks": "true",
            **self._selection,
        }
        carried = False
        async for line in self._client.watch(self._kind, self._namespace, **parameters):
            carried = True
            change = self._mirror.line(line)
            if self._mirror.phase is Phase.LISTING:
                return False
            if change is not None:
                self._tell([change])
        return carried

    def _tell(self, changes: list[Change[ObjectT]]) -> None:
        for change in changes:
            for listener in self._listeners:
                try:
                    listener(change)
                except Exception as error:
                    raise ListenerError(f"a listener of {self._kind.resource} failed") from error
        self._changed.set()
