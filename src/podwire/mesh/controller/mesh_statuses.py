"""The status of the XMeshes of this controller, where their kind is served."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from podwire.kube.gateway_api import MESH_CONTROLLER_NAME
from podwire.kube.optional_informer import OptionalInformer
from podwire.kube.status_writer import StatusWriter
from podwire.kube.work_queue import WorkQueue
from podwire.mesh.kinds.mesh import MESHES, Mesh
from podwire.mesh.routes.mesh_status import mesh_status

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.kube.meta import NamespacedName


class MeshStatuses:
    """`lead` must run in the leader alone."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def lead(self) -> None:
        """Write every status, until cancelled. Raises ListenerError."""
        meshes: OptionalInformer[Mesh] = OptionalInformer(self._client, MESHES)
        writer = StatusWriter(self._client, MESHES)

        async def handle(key: NamespacedName) -> None:
            item = meshes.objects.get(key)
            if item is not None and item.spec.controller_name == MESH_CONTROLLER_NAME:
                now = datetime.now(UTC)
                await writer.write(item, lambda one: mesh_status(one, now))

        queue = WorkQueue("XMeshes", handle)
        meshes.subscribe(lambda change: queue.add(change.new.key) if change.new is not None else None)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(meshes.run())
            tasks.create_task(queue.run())
