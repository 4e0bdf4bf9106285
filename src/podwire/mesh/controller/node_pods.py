"""Keep the mesh's pods on nodes: created with the first thing that is enrolled, deleted after the last."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import aiohttp

from podwire.kube.client import ApiError
from podwire.kube.kinds import DAEMON_SETS, SERVICE_ACCOUNTS
from podwire.mesh.controller import daemon_set
from podwire.mesh.controller.authority_store import MANAGER

if TYPE_CHECKING:
    from podwire.kube.client import Client
    from podwire.mesh.controller.daemon_set import NodeSettings
    from podwire.mesh.controller.mesh_objects import MeshObjects

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
LINGER_SECONDS = 30.0
"""After the last thing that was enrolled: one that is replaced does not end every node's Envoy."""


class NodePods:
    """The DaemonSet, written by the leader. `changed` is to be called when something is enrolled or no longer."""

    def __init__(
        self, client: Client, objects: MeshObjects, settings: NodeSettings, linger: float = LINGER_SECONDS
    ) -> None:
        self._client = client
        self._objects = objects
        self._settings = settings
        self._linger = linger
        self._woken = asyncio.Event()
        self._applied = ("", 0)
        """Uid and generation of the DaemonSet that was applied last."""

    def changed(self) -> None:
        """Look at what is enrolled again."""
        self._woken.set()

    async def lead(self) -> None:
        """Work until cancelled. An error of the API is logged, and the work repeated."""
        self._applied = ("", 0)
        while True:
            self._woken.clear()
            try:
                await self._reconcile()
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("DaemonSet %s: %s; again in %g s", daemon_set.KEY, error, RETRY_SECONDS)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            await self._woken.wait()

    async def _reconcile(self) -> None:
        present = self._objects.daemon_set
        if self._objects.is_needed:
            if present is None or (present.metadata.uid, present.metadata.generation) != self._applied:
                await self._provide()
        elif present is not None and not await self._needed_again():
            log.info("nothing is enrolled any more: DaemonSet %s ends", daemon_set.KEY)
            await self._remove(present.metadata.uid)

    async def _provide(self) -> None:
        key = daemon_set.KEY
        await self._client.apply(SERVICE_ACCOUNTS, key, daemon_set.service_account(), MANAGER)
        body: dict[str, Any] = daemon_set.daemon_set(self._settings)
        written = await self._client.apply(DAEMON_SETS, key, body, MANAGER)
        self._applied = written.metadata.uid, written.metadata.generation

    async def _needed_again(self) -> bool:
        """Wait for the time that pods remain without need; whether they are needed before it ends."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._linger
        while not self._objects.is_needed and loop.time() < end:
            self._woken.clear()
            try:
                async with asyncio.timeout_at(end):
                    await self._woken.wait()
            except TimeoutError:
                break
        return self._objects.is_needed

    async def _remove(self, uid: str) -> None:
        try:
            await self._client.delete(DAEMON_SETS, daemon_set.KEY, uid=uid)
        except ApiError as error:
            if error.reason not in {"NotFound", "Conflict"}:
                raise
