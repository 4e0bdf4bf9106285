"""The status of the node: Ready as long as the network plugin can take pods. Written periodically.

It is written at once when the API has another Ready condition, such as after the node's Lease has expired.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from podwire.kube.client import ApiError, Client
from podwire.kube.core import Node
from podwire.kube.informer import Informer
from podwire.kube.kinds import NODES
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from podwire.lab.kubelet import node_conditions
from podwire.lab.kubelet.cni_client import CniError, Network
from podwire.lab.kubelet.node_object import node_status
from podwire.lab.network.topology import NodeAddresses

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.03
LONGEST_PAUSE_SECONDS = 2.0


class NodeStatusWriter:
    """Writes the status of one node. Until it is ready the network plugin is checked in rising pauses."""

    def __init__(self, client: Client, node: NodeAddresses, network: Network, ephemeral: Path) -> None:
        self._client = client
        self._node = node
        self._network = network
        self._ephemeral = ephemeral
        self._conditions: list[dict[str, Any]] = []
        self._own: Informer[Node] = Informer(client, NODES, field_selector=f"metadata.name={node.name}")
        self._contradicted = asyncio.Event()
        self._own.subscribe(self._own_changed)

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._own.run())
            tasks.create_task(self._write_status())

    def _own_changed(self, change: Change[Node]) -> None:
        written = {condition["type"]: condition["status"] for condition in self._conditions}
        if written and change.new is not None and change.new.ready != (written["Ready"] == "True"):
            self._contradicted.set()

    async def _write_status(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            ready = False
            self._contradicted.clear()
            try:
                ready = await self._write()
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.debug("status of node %s: %s; again in %.2f s", self._node.name, error, pause)
            if ready:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await self._contradicted.wait()
            else:
                await asyncio.sleep(pause)
            pause = FIRST_PAUSE_SECONDS if ready else min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _write(self) -> bool:
        """Write the status; return whether the node is ready."""
        try:
            await self._network.status()
        except CniError as error:
            trouble = f"{node_conditions.NETWORK_NOT_READY}{error}"
        else:
            trouble = ""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        readings = node_conditions.read(self._ephemeral)
        self._conditions = node_conditions.conditions(readings, trouble, now, self._conditions)
        status = node_status(self._node, [*self._of_others(), *self._conditions])
        await self._client.patch(NODES, NamespacedName("", self._node.name), {"status": status}, "status")
        return not trouble

    def _of_others(self) -> list[dict[str, Any]]:
        """The conditions that others wrote, such as a network plugin: a patch replaces the whole list."""
        own = {condition["type"] for condition in self._conditions}
        node = self._own.objects.get(NamespacedName("", self._node.name))
        found = node.status.conditions if node is not None else ()
        return [msgspec.to_builtins(condition) for condition in found if condition.type not in own]
