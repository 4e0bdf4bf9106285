"""The node's own status: Ready as long as the pods' network can take pods, said again from time to time.

When the API says something else about the node, such as that nothing is heard of it, the status is said again at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import Any

import aiohttp

from podwire.kube.client import ApiError, Client
from podwire.kube.core import Node
from podwire.kube.informer import Informer
from podwire.kube.kinds import NODES
from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from podwire.lab.kubelet.cni_client import CniError, Network
from podwire.lab.kubelet.node_object import node_status
from podwire.lab.network.topology import NodeAddresses

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.03
LONGEST_PAUSE_SECONDS = 2.0


class NodeReporter:
    """Reports one node. Until it is ready it asks the network soon again, in rising pauses."""

    def __init__(self, client: Client, node: NodeAddresses, network: Network) -> None:
        self._client = client
        self._node = node
        self._network = network
        self._condition: dict[str, Any] = {}
        self._own: Informer[Node] = Informer(client, NODES, field_selector=f"metadata.name={node.name}")
        self._contradicted = asyncio.Event()
        self._own.subscribe(self._hear)

    async def run(self) -> None:
        """Report for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._own.run())
            tasks.create_task(self._report_for_ever())

    def _hear(self, change: Change[Node]) -> None:
        said = self._condition.get("status") == "True"
        if self._condition and change.new is not None and change.new.ready != said:
            self._contradicted.set()

    async def _report_for_ever(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            ready = False
            self._contradicted.clear()
            try:
                ready = await self._report()
            except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.debug("status of node %s: %s; again in %.2f s", self._node.name, error, pause)
            if ready:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await self._contradicted.wait()
            else:
                await asyncio.sleep(pause)
            pause = FIRST_PAUSE_SECONDS if ready else min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _report(self) -> bool:
        """Write the status; answers whether the node is ready."""
        try:
            await self._network.status()
        except CniError as error:
            ready, message = False, f"the pods' network is not ready: {error}"
        else:
            ready, message = True, "podwire runtime is ready"
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        status = node_status(self._node, ready=ready, message=message, now=now)
        self._keep_transition(status["conditions"][0])
        await self._client.patch(NODES, NamespacedName("", self._node.name), {"status": status}, "status")
        return ready

    def _keep_transition(self, condition: dict[str, Any]) -> None:
        if self._condition.get("status") == condition["status"]:
            condition["lastTransitionTime"] = self._condition["lastTransitionTime"]
        self._condition = condition
