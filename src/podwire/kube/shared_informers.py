"""The informers of one process: one for each kind, shared by all controllers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

from podwire.kube.cache import Store
from podwire.kube.informer import Informer
from podwire.kube.meta import Object

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)

EXPIRE_SECONDS = 5.0


class SharedInformers:
    """Returns one store for each kind and runs its informer; `run` must run once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stores: dict[Kind[Any], Store[Any]] = {}
        self._running: dict[Kind[Any], asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def of(self, kind: Kind[ObjectT]) -> Store[ObjectT]:
        """Return the store of a kind; one made for a type with more fields serves too."""
        for known, store in self._stores.items():
            same = (known.api_version, known.resource) == (kind.api_version, kind.resource)
            if same and issubclass(known.type, kind.type):
                return cast("Store[ObjectT]", store)
        store = self._stores[kind] = Store(Informer(self._client, kind))
        if self._tasks is not None:
            self._start(self._tasks, kind, store)
        return store

    def stop(self, kind: Kind[Any]) -> None:
        """End the informer that was made for exactly this kind; its objects are reported as removed.

        For a kind that is no longer served: its store must not be used after this.
        """
        store = self._stores.pop(kind, None)
        if store is None:
            return
        task = self._running.pop(kind, None)
        if task is not None:
            task.cancel()
        store.clear()

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """Those of all kinds, for metrics and probes."""
        return tuple(store.informer for store in self._stores.values())

    async def synced(self) -> None:
        """Return when every kind that was requested until now has been listed once."""
        for store in list(self._stores.values()):
            await store.informer.synced.wait()

    async def run(self) -> None:
        """Follow all kinds until cancelled. Raises what an informer raises: a listener of it missed a change."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for kind, store in self._stores.items():
                self._start(tasks, kind, store)
            while True:
                await asyncio.sleep(EXPIRE_SECONDS)
                for store in list(self._stores.values()):
                    store.expire()

    def _start(self, tasks: asyncio.TaskGroup, kind: Kind[Any], store: Store[Any]) -> None:
        self._running[kind] = tasks.create_task(store.informer.run())
