"""Read the objects of a snapshot from an API server."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from podwire.insight.snapshot.planned import read_keys
from podwire.insight.snapshot.pod_ranges import of_nodes
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.templates import of_pods
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, NODES, PODS, SERVICES, Kind

KINDS: tuple[Kind[Any], ...] = (NAMESPACES, PODS, NETWORK_POLICIES, SERVICES, ENDPOINT_SLICES, NODES)


async def read(client: Client) -> Snapshot:
    """Read everything that decides connections. Raises ApiError and aiohttp's ClientError."""
    listed = await asyncio.gather(*(list_all(client, kind) for kind in KINDS))
    unreadable = tuple(kind.resource for kind, items in zip(KINDS, listed, strict=True) if items is None)
    namespaces, pods, policies, services, slices, nodes = (tuple(one or ()) for one in listed)
    running = (one for one in pods if not one.finished)
    return Snapshot(
        {one.metadata.name: one.metadata.labels for one in namespaces},
        tuple(of_pods(running, read_keys(policies, services))),
        policies,
        services,
        slices,
        nodes,
        pod_ranges=of_nodes(nodes),
        is_planned=False,
        unreadable=unreadable,
    )


async def list_all(client: Client, kind: Kind[Any]) -> list[Any] | None:
    """List objects; none where the kind is not served, None where this account may not."""
    try:
        return (await client.list(kind)).items
    except ApiError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return []
        if error.code != HTTPStatus.FORBIDDEN:
            raise
        return None
