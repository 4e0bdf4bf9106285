"""What a capability needs of an informer: the objects of one kind, and their changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from podwire.kube.meta import NamespacedName, Object
from podwire.kube.watch import Change

ObjectT = TypeVar("ObjectT", bound=Object)


class Feed(Protocol[ObjectT]):
    """A live copy of one kind."""

    synced: asyncio.Event

    @property
    def objects(self) -> Mapping[NamespacedName, ObjectT]:
        """All objects by namespace and name. Do not keep it."""
        ...

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Call the listener for every change, and at once for each known object as a new one."""
        ...


class AwaitableFeed(Feed[ObjectT], Protocol[ObjectT]):
    """A feed whose state can be waited for."""

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds."""
        ...


async def first_set(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
