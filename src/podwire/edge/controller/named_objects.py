"""Secrets and ConfigMaps that something refers to: each is watched by its name, never all of them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from podwire.kube.informer import Informer
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.watch import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from podwire.kube.client import Client
    from podwire.kube.kinds import Kind

ObjectT = TypeVar("ObjectT", bound=Object)


class NamedObjects(Generic[ObjectT]):
    """Objects of one kind by name; `changed` is called with each change. `run` must run once."""

    def __init__(self, client: Client, kind: Kind[ObjectT], changed: Callable[[Change[ObjectT]], None]) -> None:
        self.objects: dict[NamespacedName, ObjectT] = {}
        self._client = client
        self._kind = kind
        self._changed = changed
        self._watches: dict[NamespacedName, tuple[Informer[ObjectT], asyncio.Task[None]]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Follow the required objects until cancelled. Raises ListenerError."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            await asyncio.Event().wait()

    def require(self, keys: Iterable[NamespacedName]) -> None:
        """Follow exactly these; `run` must be running."""
        desired = frozenset(keys)
        for key in self._watches.keys() - desired:
            _, task = self._watches.pop(key)
            task.cancel()
            if (old := self.objects.pop(key, None)) is not None:
                self._changed(Change(old, None))
        for key in desired - self._watches.keys():
            self._watches[key] = self._follow(key)

    @property
    def is_synced(self) -> bool:
        """Whether each required object is known, or known to be absent."""
        return all(informer.synced.is_set() for informer, _ in self._watches.values())

    async def synced(self) -> None:
        """Return when `is_synced`."""
        for informer, _ in tuple(self._watches.values()):
            await informer.synced.wait()

    def _follow(self, key: NamespacedName) -> tuple[Informer[ObjectT], asyncio.Task[None]]:
        assert self._tasks is not None, "run() is running"
        kind = msgspec.structs.replace(self._kind, within=key.namespace)
        informer = Informer(self._client, kind, field_selector=f"metadata.name={key.name}", name=str(key))
        informer.subscribe(self._take)
        return informer, self._tasks.create_task(_until_cancelled(informer))

    def _take(self, change: Change[ObjectT]) -> None:
        if change.new is not None:
            self.objects[change.new.key] = change.new
        elif change.old is not None:
            self.objects.pop(change.old.key, None)
        self._changed(change)


async def _until_cancelled(informer: Informer[ObjectT]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await informer.run()
