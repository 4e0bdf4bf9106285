"""Read the objects of an explanation from an API server. Secrets and ConfigMaps are read by name."""

from __future__ import annotations

import asyncio
from typing import Any

from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.kinds import INGRESS_CLASSES, INGRESSES
from podwire.insight.snapshot import mesh_objects, referenced
from podwire.insight.snapshot.live import list_all
from podwire.insight.url.objects import UrlObjects
from podwire.kube.client import Client
from podwire.kube.kinds import (
    CLUSTER_NETWORK_POLICIES,
    ENDPOINT_SLICES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    SERVICES,
    Kind,
)

EDGE: tuple[Kind[Any], ...] = (*KINDS, SERVICES, ENDPOINT_SLICES, NAMESPACES)
OTHERS: tuple[Kind[Any], ...] = (
    PODS, NODES, NETWORK_POLICIES, INGRESSES, INGRESS_CLASSES, CLUSTER_NETWORK_POLICIES,
    *mesh_objects.KINDS,
)  # fmt: skip


async def read(client: Client, outside: tuple[str, ...] = (), *, is_world: bool = False) -> UrlObjects:
    """Read everything; a kind that is not served has no objects. Raises ApiError and aiohttp's ClientError."""
    kinds = (*EDGE, *OTHERS)
    listed = await asyncio.gather(*(list_all(client, kind) for kind in kinds))
    unreadable = [kind.resource for kind, items in zip(kinds, listed, strict=True) if items is None]
    edge = Objects()
    for kind, items in zip(EDGE, listed, strict=False):
        for one in items or ():
            edge.put(kind.kind, one)
    held = await referenced.read(client, edge, listed[len(EDGE) + OTHERS.index(INGRESSES)] or ())
    unreadable += held.unreadable
    for kind, one in held.found:
        edge.put(kind.kind, one)
    pods, nodes, policies, ingresses, classes, tiers, *of_mesh = (tuple(items or ()) for items in listed[len(EDGE) :])
    return UrlObjects(
        edge, pods, nodes, policies, outside, unreadable=tuple(unreadable), ingresses=ingresses, cluster_policies=tiers,
        ingress_classes=classes, serves_nginx=is_world,
        mesh=mesh_objects.of_listed(of_mesh, unreadable),
    )  # fmt: skip
