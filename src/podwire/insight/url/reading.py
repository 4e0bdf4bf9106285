"""Read the objects of an explanation from an API server. Secrets and ConfigMaps are read by name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.ingresses import Ingresses
from podwire.edge.ingress.kinds import INGRESS_CLASSES, INGRESSES, Ingress
from podwire.insight.snapshot import mesh_objects
from podwire.insight.url.objects import UrlObjects
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import (
    CLUSTER_NETWORK_POLICIES,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    SECRETS,
    SERVICES,
    Kind,
)
from podwire.kube.meta import NamespacedName

EDGE: tuple[Kind[Any], ...] = (*KINDS, SERVICES, ENDPOINT_SLICES, NAMESPACES)
OTHERS: tuple[Kind[Any], ...] = (
    PODS, NODES, NETWORK_POLICIES, INGRESSES, INGRESS_CLASSES, CLUSTER_NETWORK_POLICIES,
    *mesh_objects.KINDS,
)  # fmt: skip


async def read(client: Client, outside: tuple[str, ...] = (), *, is_world: bool = False) -> UrlObjects:
    """Read everything; a kind that is not served has no objects. Raises ApiError and aiohttp's ClientError."""
    kinds = (*EDGE, *OTHERS)
    listed = await asyncio.gather(*(_all(client, kind) for kind in kinds))
    unreadable = [kind.resource for kind, items in zip(kinds, listed, strict=True) if items is None]
    edge = Objects()
    for kind, items in zip(EDGE, listed, strict=False):
        for one in items or ():
            edge.put(kind.kind, one)
    named = _named(listed[len(EDGE) + OTHERS.index(INGRESSES)] or ())
    for kind in (SECRETS, CONFIG_MAPS):
        keys = sorted({*edge.referenced(kind.kind), *named[kind.kind]})
        found = await asyncio.gather(*(_one(client, kind, key) for key in keys), return_exceptions=True)
        for key, one in zip(keys, found, strict=True):
            if isinstance(one, ApiError) and one.code == HTTPStatus.FORBIDDEN:
                unreadable.append(f"{kind.kind} {key}")
            elif isinstance(one, BaseException):
                raise one
            elif one is not None:
                edge.put(kind.kind, one)
    pods, nodes, policies, ingresses, classes, tiers, *of_mesh = (tuple(items or ()) for items in listed[len(EDGE) :])
    return UrlObjects(
        edge, pods, nodes, policies, outside, unreadable=tuple(unreadable), ingresses=ingresses, cluster_policies=tiers,
        ingress_classes=classes, serves_nginx=is_world,
        mesh=mesh_objects.of_listed(of_mesh, unreadable),
    )  # fmt: skip


def _named(items: Iterable[Ingress]) -> dict[str, frozenset[NamespacedName]]:
    """Return the Secrets and ConfigMaps that Ingresses of any class name."""
    held = Ingresses((), without_class=True)
    for one in items:
        held.put(msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, ingress_class_name="")))
    return {kind.kind: held.referenced(kind.kind) for kind in (SECRETS, CONFIG_MAPS)}


async def _one(client: Client, kind: Kind[Any], key: NamespacedName) -> Any:
    try:
        return await client.get(kind, key)
    except ApiError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        return None


async def _all(client: Client, kind: Kind[Any]) -> list[Any] | None:
    """List objects; none where the kind is not served, None where this account may not."""
    try:
        return (await client.list(kind)).items
    except ApiError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return []
        if error.code != HTTPStatus.FORBIDDEN:
            raise
        return None
