"""The service proxy of a node: watches Services and EndpointSlices and keeps the kernel's maps equal to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

import msgspec

from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import Sink
from podwire.kube.core import Node, Pod
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import Object
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.services.model import NodeView
from podwire.services.rows import RANGES, Owner, Row, held_slots, rows
from podwire.services.slots import Slots
from podwire.services.view import ServicesView

ObjectT = TypeVar("ObjectT", bound=Object)


class Feed(Protocol[ObjectT]):
    """The part of an informer that the proxy needs."""

    synced: asyncio.Event

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Hear of every change, and of every object that is known already."""
        ...


class HostFeeds(msgspec.Struct, frozen=True):
    """What host ports are made of."""

    pods: Feed[Pod]
    nodes: Feed[Node]


class ServiceProxy:
    """One node's Services and host ports. Each owner of rows is a Service or a pod, by its namespace and name.

    Without `host` there are no host ports.
    """

    def __init__(
        self,
        services: Feed[Service],
        slices: Feed[EndpointSlice],
        sink: Sink[Row],
        node: NodeView,
        host: HostFeeds | None = None,
    ) -> None:
        self._services = services
        self._slices = slices
        self._host = host
        self._view = ServicesView(node)
        self._slots: Slots[Owner] = Slots()
        self._reconciler: Reconciler[Owner, Row] = Reconciler(
            "services", self._derive, sink, self._restore, self._view.seniority
        )
        services.subscribe(lambda change: self._reconciler.touch(*self._view.service_changed(change)))
        slices.subscribe(lambda change: self._reconciler.touch(*self._view.slice_changed(change)))
        if host is not None:
            ports = self._view.host_ports
            host.pods.subscribe(lambda change: self._reconciler.touch(*ports.pod_changed(change)))
            host.nodes.subscribe(lambda change: self._reconciler.touch(*ports.node_changed(change)))

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return (self._reconciler,)

    async def run(self) -> None:
        """Work for ever. Begins when all objects are known: half of them would look like Services without endpoints."""
        await self._services.synced.wait()
        await self._slices.synced.wait()
        if self._host is not None:
            await self._host.pods.synced.wait()
            await self._host.nodes.synced.wait()
        self._reconciler.touch(RANGES)
        self._reconciler.inputs_synced()
        await self._reconciler.run()

    async def settle(self) -> None:
        """Wait until all changes received before this call are in the kernel."""
        await self._reconciler.settle()

    def rows(self) -> Iterator[str]:
        """Return all rows that the kernel should hold, and those that it refuses, as text."""
        return self._reconciler.lines()

    def _derive(self, owner: Owner) -> Iterator[Row]:
        return rows(owner, self._view, self._slots)

    def _restore(self, held: Iterable[Row]) -> None:
        self._slots.restore(held_slots(held))
