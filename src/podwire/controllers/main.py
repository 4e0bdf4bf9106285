"""All controllers of a cluster without kube-controller-manager, in one process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from podwire.controllers.balancers.local_cloud import LocalCloud
from podwire.controllers.balancers.pools import BalancerPools
from podwire.controllers.balancers.service_controller import NAME as SERVICE_CONTROLLER
from podwire.controllers.balancers.service_controller import ServiceController
from podwire.controllers.cleanup.garbage_collector import GarbageCollector
from podwire.controllers.cleanup.namespaces import Namespaces
from podwire.controllers.disruption.controller import Disruptions
from podwire.controllers.endpoints.endpoints_controller import EndpointsController
from podwire.controllers.endpoints.endpointslice_controller import NAME as ENDPOINT_SLICE_CONTROLLER
from podwire.controllers.endpoints.endpointslice_controller import EndpointSliceController
from podwire.controllers.endpoints.mirroring_controller import NAME as MIRRORING_CONTROLLER
from podwire.controllers.endpoints.mirroring_controller import MirroringController
from podwire.controllers.machinery.supervision import supervised
from podwire.controllers.nodes.health import NodeHealth
from podwire.controllers.nodes.lifecycle import NodeLifecycle
from podwire.controllers.nodes.scheduler import NAME as SCHEDULER
from podwire.controllers.nodes.scheduler import Scheduler
from podwire.controllers.protocols.controller import ProtocolController
from podwire.controllers.workloads.cronjob import CronJobs
from podwire.controllers.workloads.daemonset import DaemonSets
from podwire.controllers.workloads.deployment import Deployments
from podwire.controllers.workloads.job import Jobs
from podwire.controllers.workloads.replicaset import ReplicaSets
from podwire.controllers.workloads.statefulset import StatefulSets
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import REPLICATION_CONTROLLERS, Kind
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers
from podwire.kube.watch import Change

log = logging.getLogger(__name__)

COMPONENTS = (
    "deployment-controller",
    "replicaset-controller",
    "replication-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "cronjob-controller",
    "node-controller",
    SCHEDULER,
    SERVICE_CONTROLLER,
    ENDPOINT_SLICE_CONTROLLER,
    MIRRORING_CONTROLLER,
)
"""Names of the controllers that record events, as upstream's events have them."""


class ControllersConfig(msgspec.Struct, frozen=True):
    """`credentials` are those of system:kube-controller-manager. `listeners` receive every change of a kind.

    Without `balancer_pools` no provider serves Services of type LoadBalancer.
    """

    credentials: Credentials
    node_health: NodeHealth = NodeHealth()
    balancer_pools: BalancerPools | None = None
    listeners: tuple[tuple[Kind[Any], Callable[[Change[Any]], None]], ...] = ()


async def run(config: ControllersConfig) -> None:
    """Run all controllers until cancelled; one that fails is restarted, the others continue.

    A failed informer ends the process, which is restarted: the caches of all controllers may be wrong.
    """
    async with Client(config.credentials, "kube-controller-manager") as client:
        informers = SharedInformers(client)
        events = {component: Recorder(client, component) for component in COMPONENTS}
        parts = (client, informers)
        loops = {
            "deployment-controller": Deployments(*parts, events["deployment-controller"]).run,
            "replicaset-controller": ReplicaSets(*parts, events["replicaset-controller"]).run,
            "replication-controller": ReplicaSets(
                *parts, events["replication-controller"], REPLICATION_CONTROLLERS
            ).run,
            "statefulset-controller": StatefulSets(*parts, events["statefulset-controller"]).run,
            "daemonset-controller": DaemonSets(*parts, events["daemonset-controller"]).run,
            "job-controller": Jobs(*parts, events["job-controller"]).run,
            "cronjob-controller": CronJobs(*parts, events["cronjob-controller"]).run,
            "node-controller": NodeLifecycle(*parts, events["node-controller"], config.node_health).run,
            SCHEDULER: Scheduler(*parts, events[SCHEDULER]).run,
            ENDPOINT_SLICE_CONTROLLER: EndpointSliceController(*parts, events[ENDPOINT_SLICE_CONTROLLER]).run,
            "endpoints-controller": EndpointsController(*parts).run,
            MIRRORING_CONTROLLER: MirroringController(*parts, events[MIRRORING_CONTROLLER]).run,
            "disruption-controller": Disruptions(*parts).run,
            "protocol-controller": ProtocolController(*parts).run,
            "namespace-controller": Namespaces(*parts, config.credentials.authority_file).run,
        }
        if config.balancer_pools is not None:
            cloud = LocalCloud(config.balancer_pools)
            loops[SERVICE_CONTROLLER] = ServiceController(*parts, events[SERVICE_CONTROLLER], cloud).run
        for kind, listener in config.listeners:
            informers.of(kind).informer.subscribe(listener)
        collector = GarbageCollector(client, informers)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(informers.run())
            for component, recorder in events.items():
                tasks.create_task(supervised(f"events of {component}", recorder.run))
            await informers.synced()
            log.info("all kinds are known; starting to work")
            for name, loop in loops.items():
                tasks.create_task(supervised(name, loop))
            tasks.create_task(supervised("garbage-collector", collector.run))
