"""What a node says of itself: Ready while its network takes pods, NotReady with the reason while it does not."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

import aiohttp

from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import NODES
from podwire.kube.meta import NamespacedName
from podwire.lab.cni import CniError, Network
from podwire.lab.system_objects import node_status
from podwire.lab.topology import NodeAddresses

log = logging.getLogger(__name__)

STARTING_SECONDS = 0.02
"""Between two looks until the node was Ready once."""
STEADY_SECONDS = 10.0
READY = "the pod network takes pods"


async def report(client: Client, node: NodeAddresses, network: Network) -> None:
    """Keep the Node's status true, for ever."""
    told = ""
    while True:
        message = await _fault(network)
        if message != told and await _tell(client, node, message):
            told = message
        await asyncio.sleep(STEADY_SECONDS if told == READY else STARTING_SECONDS)


async def _fault(network: Network) -> str:
    """What keeps the node from taking pods, READY where nothing does."""
    try:
        await network.status()
    except CniError as error:
        return str(error)
    return READY


async def _tell(client: Client, node: NodeAddresses, message: str) -> bool:
    """Write the status; False where the API or the Node object is not there yet."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = node_status(node, ready=message == READY, message=message, now=now)
    try:
        await client.patch(NODES, NamespacedName("", node.name), {"status": status}, "status")
    except (ApiError, aiohttp.ClientError, OSError) as error:
        log.debug("node %s: status not written: %s", node.name, error)
        return False
    return True
