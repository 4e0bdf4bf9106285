"""Read the objects of a cluster's status from its API server."""

from __future__ import annotations

import asyncio

import msgspec

from podwire.insight.operations.programs import all_pods
from podwire.insight.status.report import ClusterObjects, ClusterStatus, PlacedPod, status
from podwire.insight.target import Target
from podwire.kube.client import Client
from podwire.kube.kinds import NODES, SERVICES, Kind

PLACED_PODS = Kind("v1", "Pod", "pods", PlacedPod)


class _Version(msgspec.Struct, rename="camel"):
    git_version: str = ""


async def version(client: Client) -> str:
    """The version of the API server, such as v1.37.2."""
    return msgspec.json.decode(await client.fetch("/version"), type=_Version).git_version


async def read(client: Client) -> ClusterObjects:
    """Read everything. Raises ClusterError, ApiError and aiohttp's ClientError."""
    found, nodes, pods, programs, services = await asyncio.gather(
        version(client), client.list(NODES), client.list(PLACED_PODS), all_pods(client), client.list(SERVICES)
    )
    return ClusterObjects(found, nodes.items, pods.items, programs, services.items)


def of_cluster(target: Target) -> ClusterStatus:
    """Return the state of a cluster. Raises UnreachableError and ClusterError."""
    return status(target.context, target.credentials.server, target.read(read))
