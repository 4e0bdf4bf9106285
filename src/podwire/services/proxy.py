"""The service proxy of a node: watches Services and EndpointSlices and keeps the kernel's maps equal to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import Sink
from podwire.kube.core import Service
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName, Object
from podwire.kube.watch import Change
from podwire.services.model import NodeView
from podwire.services.rows import RANGES, Row, held_slots, rows
from podwire.services.slots import Slots
from podwire.services.view import ServicesView

ObjectT = TypeVar("ObjectT", bound=Object)


class Feed(Protocol[ObjectT]):
    """The part of an informer that the proxy needs."""

    synced: asyncio.Event

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Hear of every change, and of every object that is known already."""
        ...


class ServiceProxy:
    """One node's Services. Each owner of rows is a Service, by its namespace and name."""

    def __init__(self, services: Feed[Service], slices: Feed[EndpointSlice], sink: Sink[Row], node: NodeView) -> None:
        self._services = services
        self._slices = slices
        self._view = ServicesView(node)
        self._slots: Slots[NamespacedName] = Slots()
        self._reconciler: Reconciler[NamespacedName, Row] = Reconciler(
            "services", self._derive, sink, self._restore, self._view.seniority
        )
        services.subscribe(lambda change: self._reconciler.touch(*self._view.service_changed(change)))
        slices.subscribe(lambda change: self._reconciler.touch(*self._view.slice_changed(change)))

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return (self._reconciler,)

    async def run(self) -> None:
        """Work for ever. Begins when all objects are known: half of them would look like Services without endpoints."""
        await self._services.synced.wait()
        await self._slices.synced.wait()
        self._reconciler.touch(RANGES)
        self._reconciler.complete()
        await self._reconciler.run()

    async def settle(self) -> None:
        """Wait until all changes received before this call are in the kernel."""
        await self._reconciler.settle()

    def rows(self) -> Iterator[str]:
        """Return all rows that the kernel should hold, and those that it refuses, as text."""
        return self._reconciler.lines()

    def _derive(self, owner: NamespacedName) -> Iterator[Row]:
        return rows(owner, self._view, self._slots)

    def _restore(self, held: Iterable[Row]) -> None:
        self._slots.restore(held_slots(held))
