"""Read the objects of a snapshot from an API server."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec

from podwire.insight.snapshot import mesh_objects
from podwire.insight.snapshot.mesh_objects import MeshObjects
from podwire.insight.snapshot.planned import read_keys
from podwire.insight.snapshot.pod_ranges import of_nodes
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.templates import of_pods
from podwire.insight.snapshot.written import applied_labels
from podwire.insight.sources.manifests import Document, Manifest
from podwire.insight.sources.text import Text
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import (
    CLUSTER_NETWORK_POLICIES,
    CONFIG_MAPS,
    EGRESS_GATEWAYS,
    ENDPOINT_SLICES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    SERVICES,
    Kind,
)
from podwire.mesh.identity.trust_objects import DOMAIN, TRUST
from podwire.redirection.enrolment import enrolled

_LIVE = Document(Text("live", ""), 0, 0)
KINDS: tuple[Kind[Any], ...] = (
    NAMESPACES, PODS, NETWORK_POLICIES, SERVICES, ENDPOINT_SLICES, NODES, CLUSTER_NETWORK_POLICIES, EGRESS_GATEWAYS,
    *mesh_objects.KINDS,
)  # fmt: skip


async def read(client: Client) -> Snapshot:
    """Read everything that decides connections. Raises ApiError and aiohttp's ClientError."""
    listed = await asyncio.gather(*(list_all(client, kind) for kind in KINDS))
    unreadable = tuple(kind.resource for kind, items in zip(KINDS, listed, strict=True) if items is None)
    namespaces, pods, policies, services, slices, nodes, tiers, gateways, *policies_of_mesh = (
        tuple(one or ()) for one in listed
    )
    mesh = await _with_domain(client, mesh_objects.of_listed(policies_of_mesh, unreadable))
    running = (one for one in pods if not one.finished)
    return Snapshot(
        {one.metadata.name: one.metadata.labels for one in namespaces},
        tuple(of_pods(running, read_keys(policies, services, tiers, mesh))),
        policies,
        services,
        slices,
        nodes,
        pod_ranges=of_nodes(nodes),
        is_planned=False,
        unreadable=unreadable,
        cluster_policies=tiers,
        egress_gateways=gateways,
        mesh=mesh,
        applied_labels={one.metadata.name: applied_labels(one.metadata.annotations) for one in namespaces},
    )


async def _with_domain(client: Client, mesh: MeshObjects) -> MeshObjects:
    """Read the trust domain where there are policies. One that may not be read matters to policies that name one."""
    if mesh.is_empty:
        return mesh
    try:
        found = (await client.get(CONFIG_MAPS, TRUST)).data.get(DOMAIN)
    except ApiError as error:
        if error.code == HTTPStatus.FORBIDDEN and mesh.names_domains:
            return msgspec.structs.replace(mesh, unreadable=(*mesh.unreadable, f"ConfigMap {TRUST}"))
        if error.code not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            raise
        return mesh
    return msgspec.structs.replace(mesh, trust_domain=found) if found else mesh


async def read_with_requests(client: Client) -> Snapshot:
    """Read Ingresses and Gateway API too, with the Secrets and ConfigMaps that they refer to."""
    from podwire.edge.gateway.kinds.all_kinds import KINDS as GATEWAY_KINDS
    from podwire.edge.gateway.objects import Objects
    from podwire.edge.ingress.kinds import INGRESS_CLASSES, INGRESSES
    from podwire.insight.snapshot import referenced

    snapshot, found = await _with_others(client, await read(client), (*GATEWAY_KINDS, INGRESSES, INGRESS_CLASSES))
    edge = Objects()
    for kind, one in found:
        if kind in GATEWAY_KINDS:
            edge.put(kind.kind, one)
    held = await referenced.read(client, edge, (one for kind, one in found if kind is INGRESSES))
    others = (*snapshot.others, *(_manifest(*one) for one in held.found))
    return msgspec.structs.replace(snapshot, others=others, unreadable=(*snapshot.unreadable, *held.unreadable))


async def read_with_routes(client: Client) -> Snapshot:
    """Read the routes of a mesh too, where something is enrolled in it: an account may not list them elsewhere."""
    from podwire.edge.gateway.kinds.all_kinds import KINDS as GATEWAY_KINDS

    snapshot = await read(client)
    if not _has_mesh(snapshot):
        return snapshot
    kinds = tuple(one for one in GATEWAY_KINDS if one.kind in mesh_objects.ROUTES)
    return (await _with_others(client, snapshot, kinds))[0]


def _has_mesh(snapshot: Snapshot) -> bool:
    own = (one.metadata.labels for one in snapshot.services)
    return any(map(enrolled, (*snapshot.namespaces.values(), *(one.labels for one in snapshot.workloads), *own)))


async def _with_others(
    client: Client, snapshot: Snapshot, kinds: tuple[Kind[Any], ...]
) -> tuple[Snapshot, tuple[tuple[Kind[Any], Any], ...]]:
    listed = await asyncio.gather(*(list_all(client, kind) for kind in kinds))
    unreadable = (kind.resource for kind, items in zip(kinds, listed, strict=True) if items is None)
    found = tuple((kind, one) for kind, items in zip(kinds, listed, strict=True) for one in items or ())
    others = tuple(_manifest(*one) for one in found)
    return msgspec.structs.replace(snapshot, others=others, unreadable=(*snapshot.unreadable, *unreadable)), found


def _manifest(kind: Kind[Any], one: Any) -> Manifest:
    return Manifest({"apiVersion": kind.api_version, "kind": kind.kind, **msgspec.to_builtins(one)}, _LIVE)


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
