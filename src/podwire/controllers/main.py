"""All controllers of a world in one process."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from podwire.controllers.cleanup.garbage_collector import GarbageCollector
from podwire.controllers.cleanup.namespaces import Namespaces
from podwire.controllers.disruption.controller import Disruptions
from podwire.controllers.endpoints.endpoints_controller import EndpointsController
from podwire.controllers.endpoints.endpointslice_controller import EndpointSliceController
from podwire.controllers.endpoints.mirroring_controller import MirroringController
from podwire.controllers.machinery.supervision import supervised
from podwire.controllers.nodes.health import NodeHealth
from podwire.controllers.nodes.lifecycle import NodeLifecycle
from podwire.controllers.nodes.scheduler import NAME as SCHEDULER
from podwire.controllers.nodes.scheduler import Scheduler
from podwire.controllers.workloads.cronjob import CronJobs
from podwire.controllers.workloads.daemonset import DaemonSets
from podwire.controllers.workloads.deployment import Deployments
from podwire.controllers.workloads.job import Jobs
from podwire.controllers.workloads.replicaset import ReplicaSets
from podwire.controllers.workloads.statefulset import StatefulSets
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import REPLICATION_CONTROLLERS
from podwire.kube.recorder import Recorder
from podwire.kube.shared_informers import SharedInformers

log = logging.getLogger(__name__)


class ControllersConfig(msgspec.Struct, frozen=True):
    """`credentials` are those of system:kube-controller-manager."""

    credentials: Credentials
    node_health: NodeHealth = NodeHealth()


async def run(config: ControllersConfig) -> None:
    """Run all controllers until cancelled; one that fails is restarted, the others continue.

    A failed informer ends the process, which is restarted: the caches of all controllers may be wrong.
    """
    async with Client(config.credentials, "kube-controller-manager") as client:
        informers = SharedInformers(client)
        workloads, scheduling = Recorder(client, "podwire-controllers"), Recorder(client, SCHEDULER)
        loops = {
            "the Deployment controller": Deployments(client, informers, workloads).run,
            "the ReplicaSet controller": ReplicaSets(client, informers, workloads).run,
            "the ReplicationController manager": ReplicaSets(client, informers, workloads, REPLICATION_CONTROLLERS).run,
            "the StatefulSet controller": StatefulSets(client, informers, workloads).run,
            "the DaemonSet controller": DaemonSets(client, informers, workloads).run,
            "the Job controller": Jobs(client, informers, workloads).run,
            "the CronJob controller": CronJobs(client, informers, workloads).run,
            "the scheduler": Scheduler(client, informers, scheduling).run,
            "the EndpointSlice controller": EndpointSliceController(client, informers).run,
            "the Endpoints controller": EndpointsController(client, informers).run,
            "the mirroring of Endpoints": MirroringController(client, informers).run,
            "the node controller": NodeLifecycle(client, informers, workloads, config.node_health).run,
            "the disruption controller": Disruptions(client, informers).run,
            "the namespace controller": Namespaces(client, informers, config.credentials.authority_file).run,
        }
        collector = GarbageCollector(client, informers)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(informers.run())
            tasks.create_task(supervised("events", workloads.run))
            tasks.create_task(supervised("events", scheduling.run))
            await informers.synced()
            log.info("all kinds are known; starting to work")
            for name, loop in loops.items():
                tasks.create_task(supervised(name, loop))
            tasks.create_task(supervised("the garbage collector", collector.run))
