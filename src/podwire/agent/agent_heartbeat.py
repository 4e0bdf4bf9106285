"""The Lease by which other agents know that this one works, and theirs: only while there is something to announce."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from msgspec.structs import replace

from podwire.announcement.announcer import Announcements
from podwire.kube.access_problem import access_problem
from podwire.kube.client import ApiError, Client
from podwire.kube.coordination import AGENT_LEASES
from podwire.kube.core import Node
from podwire.kube.feed import Feed
from podwire.kube.kinds import LEASES
from podwire.kube.lease_heartbeat import Heartbeat
from podwire.kube.meta import NamespacedName
from podwire.kube.optional_informer import OptionalInformer

log = logging.getLogger(__name__)

LABEL = "podwire.dev/heartbeat"
"""Of the Leases of agents."""
_LEASES = replace(LEASES, within=AGENT_LEASES)
RENEW_SECONDS = 3.0
DURATION_SECONDS = 12


class AgentHeartbeat:
    """Renews this agent's Lease, and follows those of the others.

    Where the role does not admit Leases all agents count as alive.
    """

    def __init__(self, client: Client, node: str, nodes: Feed[Node]) -> None:
        self._client = client
        self._node = node
        self._nodes = nodes
        self._refused = False

    async def run(self, announcements: Announcements) -> None:
        """Begin with the first address that is to be announced, and work until cancelled."""
        await announcements.needed.wait()
        leases = OptionalInformer(self._client, _LEASES, label_selector=LABEL)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(leases.run())
            await leases.synced.wait()
            announcements.heartbeats.begin(leases.objects.values(), datetime.now(UTC))
            leases.subscribe(announcements.lease_changed)
            while True:
                if announcements.is_needed:
                    await self._renew()
                await asyncio.sleep(RENEW_SECONDS)

    async def _renew(self) -> None:
        try:
            await self._heartbeat().renew(self._client)
            self._refused = False
        except (ApiError, aiohttp.ClientError, OSError, TimeoutError) as error:
            forbidden = isinstance(error, ApiError) and error.code == HTTPStatus.FORBIDDEN
            level = logging.WARNING if forbidden and not self._refused else logging.DEBUG
            self._refused = forbidden
            log.log(level, "the Lease of this agent: %s", access_problem(error, LEASES, self._client.role))

    def _heartbeat(self) -> Heartbeat:
        """The Lease is deleted with its Node."""
        metadata: dict[str, Any] = {"labels": {LABEL: "agent"}}
        node = self._nodes.objects.get(NamespacedName("", self._node))
        if node is not None:
            owner = {"apiVersion": "v1", "kind": "Node", "name": self._node, "uid": node.metadata.uid}
            metadata["ownerReferences"] = [owner]
        key = NamespacedName(AGENT_LEASES, f"podwire-agent-{self._node}")
        return Heartbeat(key, self._node, DURATION_SECONDS, metadata)
