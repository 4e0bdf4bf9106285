"""The service proxy of a node: watches Services and EndpointSlices and keeps the kernel's maps equal to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import Sink
from podwire.kube.core import Node, Pod
from podwire.kube.discovery import EndpointSlice
from podwire.kube.feed import Feed
from podwire.kube.meta import Object
from podwire.kube.networking import ServiceCIDR
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.services.derivation import NODE_PORTS, RANGES, Owner, rows
from podwire.services.node_view import NodeView
from podwire.services.pools import Pools
from podwire.services.readback import held_pools
from podwire.services.rows import Row
from podwire.services.view import ServicesView
from podwire.services.word import LARGEST_POOL

ObjectT = TypeVar("ObjectT", bound=Object)


class HostFeeds(msgspec.Struct, frozen=True):
    """Pods have host ports, the own Node has addresses and a zone, ServiceCIDRs add ranges."""

    pods: Feed[Pod]
    nodes: Feed[Node]
    service_cidrs: Feed[ServiceCIDR]


class ServiceProxy:
    """One node's Services and host ports. Each owner of rows is a Service or a pod, by its namespace and name.

    Without `host` there are no host ports, and the node remains as `node` has it.
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
        self._pools: Pools[Owner] = Pools(LARGEST_POOL)
        self._reconciler: Reconciler[Owner, Row] = Reconciler(
            "services", self._derive, sink, self._restore, self._view.seniority, independent=True
        )
        services.subscribe(self._touching(self._view.service_changed))
        slices.subscribe(self._touching(self._view.slice_changed))
        if host is not None:
            ports = self._view.host_ports
            host.pods.subscribe(self._touching(ports.pod_changed))
            host.nodes.subscribe(self._touching(self._view.node_changed))
            host.service_cidrs.subscribe(self._touching(self._view.service_cidr_changed))

    @property
    def reconciler(self) -> Reconciler[Owner, Row]:
        """What it applies, and what the kernel refuses of it."""
        return self._reconciler

    @property
    def reconcilers(self) -> tuple[Reconciler[Any, Any], ...]:
        """For metrics."""
        return (self._reconciler,)

    async def run(self) -> None:
        """Run until cancelled, from when all objects are known: half of them would be Services without endpoints."""
        await self._services.synced.wait()
        await self._slices.synced.wait()
        if self._host is not None:
            await self._host.pods.synced.wait()
            await self._host.nodes.synced.wait()
            await self._host.service_cidrs.synced.wait()
        self._reconciler.touch(RANGES, NODE_PORTS)
        self._reconciler.inputs_synced()
        await self._reconciler.run()

    async def settle(self) -> None:
        """Wait until all changes received before this call are in the kernel."""
        await self._reconciler.settle()

    def rows(self) -> Iterator[str]:
        """Return all rows that the kernel should hold, and those that it refuses, as text."""
        return self._reconciler.lines()

    def _touching(self, concerned: Callable[[Change[ObjectT]], frozenset[Owner]]) -> Callable[[Change[ObjectT]], None]:
        """A listener that marks the owners whom a change concerns; most changes of nodes and pods concern none."""

        def listener(change: Change[ObjectT]) -> None:
            owners = concerned(change)
            if owners:
                self._reconciler.touch(*owners)

        return listener

    def _derive(self, owner: Owner) -> Iterator[Row]:
        return rows(owner, self._view, self._pools)

    def _restore(self, held: Iterable[Row]) -> None:
        self._pools.restore(held_pools(held))
