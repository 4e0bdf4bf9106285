"""The controllers of a real cluster: those of which its own control plane has none. One of several processes leads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.component import permissions, program
from podwire.component.endpoints import serving
from podwire.component.leader_pages import leader_pages
from podwire.component.logs import LogFormat
from podwire.component.metrics import Family
from podwire.controllers.balancers.local_cloud import LocalCloud
from podwire.controllers.balancers.pools import BalancerPools
from podwire.controllers.balancers.service_controller import NAME as SERVICE_CONTROLLER
from podwire.controllers.balancers.service_controller import ServiceController
from podwire.controllers.machinery.supervision import supervised
from podwire.controllers.ranges.controller import NAME as RANGE_ALLOCATOR
from podwire.controllers.ranges.controller import PodRangeController
from podwire.controllers.ranges.namespace_pools import NAME as NAMESPACE_POOLS
from podwire.controllers.ranges.namespace_pools import NamespacePoolController
from podwire.kube import tls_buffers
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.leader_election import LeaderElector
from podwire.kube.meta import NamespacedName
from podwire.kube.pod_pools import NamespacePool, PodPool
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers

if TYPE_CHECKING:
    from podwire.kube.informer import Informer

log = logging.getLogger(__name__)

LEASE = "podwire-controller"
PORT = 10246


class ControllerConfig(msgspec.Struct, frozen=True):
    """Everything that the controllers of a cluster are configured with.

    Attributes:
        credentials: the API server, and how to authenticate there.
        identity: who leads, as its Lease names it; differs between all processes.
        pod_pools: of which Nodes get podCIDRs; none: the pod range allocator does not run.
        namespace_pools: of which Nodes get ranges for the pods of some namespaces.
        balancer_pools: of which Services of type LoadBalancer get addresses; None: the service controller does not run.
        lease_namespace: where the Lease is.
        addresses: where `/healthz`, `/readyz` and `/metrics` answer.
        log_format: text or json.
        verbosity: 0 to 2.

    """

    credentials: Credentials
    identity: str
    pod_pools: tuple[PodPool, ...] = ()
    namespace_pools: tuple[NamespacePool, ...] = ()
    balancer_pools: BalancerPools | None = None
    lease_namespace: str = "kube-system"
    addresses: tuple[tuple[str, int], ...] = (("127.0.0.1", PORT),)
    log_format: LogFormat = "text"
    verbosity: int = 0


class ClusterControllers:
    """The controllers of one process, at work while it leads."""

    def __init__(self, config: ControllerConfig, client: Client) -> None:
        self._config = config
        self._client = client
        lease = NamespacedName(config.lease_namespace, LEASE)
        self._elector = LeaderElector(client, lease, config.identity)
        self._informers: SharedInformers | None = None
        self._ranges: PodRangeController | None = None
        self._pools: NamespacePoolController | None = None

    async def run(self) -> None:
        """Work whenever this process leads, until cancelled. Raises OSError where an address is taken."""
        async with serving(leader_pages(self._elector, self._following, self._families), self._config.addresses):
            await self._elector.run(self._work)

    async def _work(self) -> None:
        """Start from the objects as they are now: another process may have led until now."""
        informers = self._informers = SharedInformers(self._client)
        loops: dict[str, Callable[[], Awaitable[None]]] = {}
        if self._config.pod_pools:
            recorder = Recorder(self._client, RANGE_ALLOCATOR)
            self._ranges = PodRangeController(self._client, informers, recorder, self._config.pod_pools)
            loops |= {RANGE_ALLOCATOR: self._ranges.run, f"events of {RANGE_ALLOCATOR}": recorder.run}
        if self._config.namespace_pools:
            recorder = Recorder(self._client, NAMESPACE_POOLS)
            self._pools = NamespacePoolController(self._client, informers, recorder, self._config.namespace_pools)
            loops |= {NAMESPACE_POOLS: self._pools.run, f"events of {NAMESPACE_POOLS}": recorder.run}
        if self._config.balancer_pools is not None:
            recorder, cloud = Recorder(self._client, SERVICE_CONTROLLER), LocalCloud(self._config.balancer_pools)
            balancers = ServiceController(self._client, informers, recorder, cloud)
            loops |= {SERVICE_CONTROLLER: balancers.run, f"events of {SERVICE_CONTROLLER}": recorder.run}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(informers.run())
                await informers.synced()
                log.info("all kinds are known; starting to work")
                for name, loop in loops.items():
                    tasks.create_task(supervised(name, loop))
        finally:
            self._informers = self._ranges = self._pools = None

    def _following(self) -> Sequence[Informer[Any]]:
        return self._informers.informers if self._informers is not None else ()

    def _families(self) -> Iterator[Family]:
        allocators = (self._ranges, self._pools)
        free = {network: count for one in allocators if one is not None for network, count in one.free.items()}
        yield from of_controller(leading=self._elector.leading, free=free)


def of_controller(*, leading: bool, free: Mapping[str, int]) -> Iterator[Family]:
    """Whether this process leads, and how many ranges are left for nodes, by the range that they are of."""
    yield Family("podwire_controller_leading", "1 while this process leads.", "gauge", (({}, leading),))
    samples = tuple(({"range": name}, count) for name, count in free.items())
    yield Family("podwire_controller_free_pod_ranges", "Ranges of nodes that are left.", "gauge", samples)


def main(config: ControllerConfig) -> None:
    """Work until SIGTERM or SIGINT; then another process leads at once."""
    tls_buffers.shrink()
    program.run(_serve(config), log_format=config.log_format, verbosity=config.verbosity)


async def _serve(config: ControllerConfig) -> None:
    async with Client(config.credentials, "podwire-controller", role=permissions.CONTROLLER) as client:
        await ClusterControllers(config, client).run()
