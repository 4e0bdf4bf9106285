"""An informer that follows its kind only from the time at which a caller requires it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from podwire.kube.watch import Named

if TYPE_CHECKING:
    from collections.abc import Callable

    from podwire.kube.informer import Informer
    from podwire.kube.watch import Change

ObjectT = TypeVar("ObjectT", bound=Named)


class OnDemandInformer(Generic[ObjectT]):
    """Starts `informer` when it is required, and never ends it: what is required once is soon required again."""

    def __init__(self, informer: Informer[ObjectT]) -> None:
        self.informer = informer
        self._required = asyncio.Event()
        self.synced = informer.synced

    @property
    def required(self) -> bool:
        """Whether the kind is followed."""
        return self._required.is_set()

    def require(self) -> None:
        """Follow the kind from now on. `synced` is set when its whole state is known."""
        self._required.set()

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Call the listener for every change, and at once for each known object as a new one."""
        self.informer.subscribe(listener)

    async def run(self) -> None:
        """Wait until it is required, and follow the server until cancelled. Raises ListenerError."""
        await self._required.wait()
        await self.informer.run()
