"""The informers of one process: one for each kind, shared by all controllers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from podwire.controllers.machinery.cache import Store
from podwire.kube.informer import Informer
from podwire.kube.meta import Object

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)

log = logging.getLogger(__name__)

FIRST_RESTART_SECONDS = 0.1
LONGEST_RESTART_SECONDS = 10.0
SETTLE_SECONDS = 5.0


class Informers:
    """Hands out one store for each kind and keeps its informer running. `run` it once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stores: dict[Kind[Any], Store[Any]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def of(self, kind: Kind[ObjectT]) -> Store[ObjectT]:
        """The store of a kind; one that was made for a type that says more serves too."""
        for known, store in self._stores.items():
            same = (known.api_version, known.resource) == (kind.api_version, kind.resource)
            if same and issubclass(known.type, kind.type):
                return cast("Store[ObjectT]", store)
        store = self._stores[kind] = Store(Informer(self._client, kind))
        if self._tasks is not None:
            self._start(self._tasks, store)
        return store

    async def synced(self) -> None:
        """Return when every kind that was asked for until now has been listed once."""
        for store in list(self._stores.values()):
            await store.informer.synced.wait()

    async def run(self) -> None:
        """Follow all kinds for ever. What an informer raises ends it: what a listener missed is not told again."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for store in self._stores.values():
                self._start(tasks, store)
            while True:
                await asyncio.sleep(SETTLE_SECONDS)
                for store in list(self._stores.values()):
                    store.settle()

    def _start(self, tasks: asyncio.TaskGroup, store: Store[Any]) -> None:
        tasks.create_task(store.informer.run())


async def supervised(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work for ever: when it fails, it is started again after a delay, and nobody else falls with it."""
    delay = FIRST_RESTART_SECONDS
    while True:
        started = asyncio.get_running_loop().time()
        try:
            await work()
        except Exception:
            log.exception("%s failed; starting it again in %.1f s", name, delay)
        if asyncio.get_running_loop().time() - started > LONGEST_RESTART_SECONDS:
            delay = FIRST_RESTART_SECONDS
        await asyncio.sleep(delay)
        delay = min(delay * 2, LONGEST_RESTART_SECONDS)
