"""Read what the check `mesh` needs. Of what an account may not read nothing is reported, but for the authority."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

from podwire.insight.doctor.mesh_facts import EnrolledPod, MeshFacts, MeshPod
from podwire.insight.doctor.node_facts import Expiry
from podwire.insight.mesh_policies.ends import workloads
from podwire.insight.pod_reading import PODS as READ_PODS
from podwire.insight.pod_reading import cause
from podwire.kube.apps import DaemonSet
from podwire.kube.client import ApiError, Client
from podwire.kube.coordination import Lease
from podwire.kube.gateway_api import PROXIES
from podwire.kube.kinds import LEASES, NAMESPACES, PODS, SERVICES, Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.mesh.controller import authority_store, daemon_set
from podwire.mesh.controller.signer_endpoint import SERVICE
from podwire.mesh.identity.authority import AuthorityError
from podwire.redirection.enrolment import NODE_PROXY, enrolled

ObjectT = TypeVar("ObjectT", bound=Object)

LEASE = NamespacedName(PROXIES, SERVICE)
ABSENT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
LATE = 0.75
"""Of the life of an intermediate, which is to be replaced at half of it, however long that is."""
RENEWED_SECONDS = 60.0
"""A leader renews its Lease every 2 s; clocks of machines differ."""


async def read(client: Client, sets: Iterable[DaemonSet]) -> MeshFacts | None:
    """Return it; None where no namespace is enrolled and the mesh has no DaemonSet. Raises ApiError."""
    spaces = await _list(client, NAMESPACES)
    is_there = any(one.key == daemon_set.KEY for one in sets)
    if not is_there and not any(enrolled(one.metadata.labels) for one in spaces):
        return None
    pods, services, own, found = await asyncio.gather(
        _list(client, PODS),
        _list(client, SERVICES),
        _list(client, READ_PODS, PROXIES, labelSelector=f"app.kubernetes.io/name={NODE_PROXY}"),
        _leader(client),
    )
    authorities, trusts, problem = await _authority(client)
    return MeshFacts(
        tuple(
            EnrolledPod(one.key, one.node, one.redirected) for one in workloads(spaces, pods, services) if one.enrolled
        ),
        tuple(MeshPod(one.key, one.spec.node_name, "" if one.ready else cause(one)) for one in own if not one.finished),
        found,
        trusts,
        authorities,
        problem,
    )


def leader(leases: Iterable[Lease], now: datetime) -> str:
    """Return who leads; empty where no process does."""
    found = next((one for one in leases if one.key == LEASE), None)
    if found is None or not found.spec.holder_identity or not found.spec.renew_time:
        return ""
    renewed = datetime.fromisoformat(found.spec.renew_time)
    return found.spec.holder_identity if (now - renewed).total_seconds() < RENEWED_SECONDS else ""


async def _leader(client: Client) -> str | None:
    """Return who leads; None where this account may not read it."""
    try:
        return leader((await client.list(LEASES, PROXIES)).items, datetime.now(UTC))
    except ApiError as error:
        if error.code != HTTPStatus.FORBIDDEN:
            raise
        return None


async def _authority(client: Client) -> tuple[tuple[Expiry, ...], bool, str]:
    """Return the ends of the authorities, whether nodes trust one, and why that is not known."""
    try:
        bundle, _ = await authority_store.read_bundle(client)
        stored = await authority_store.read_authority(client)
    except (ApiError, AuthorityError) as error:
        return (), True, str(error)
    ends: list[Expiry] = []
    if stored is not None:
        active = stored.state.active
        if datetime.now(UTC) > active.not_before + (active.not_after - active.not_before) * LATE:
            ends.append(Expiry("intermediate certificate", active.not_after.timestamp()))
        ends += [Expiry("root certificate", one.not_after.timestamp()) for one in stored.state.roots]
    return tuple(ends), bundle is not None, ""


async def _list(client: Client, kind: Kind[ObjectT], namespace: str = "", **parameters: str) -> list[ObjectT]:
    try:
        return (await client.list(kind, namespace, **parameters)).items
    except ApiError as error:
        if error.code not in ABSENT:
            raise
        return []
