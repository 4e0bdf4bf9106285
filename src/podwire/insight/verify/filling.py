"""Fill an ephemeral world from manifests, and wait until its pods answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from podwire.insight.mesh_policies.ends import workloads
from podwire.insight.pod_reading import PODS, PodReading, cause
from podwire.insight.snapshot import mesh_objects
from podwire.insight.target import Target
from podwire.insight.verify.ephemeral_world import Progress, TrialError
from podwire.insight.verify.stand_ins import WORKLOADS, Applied, pods_of
from podwire.kube import kinds
from podwire.kube.client import ApiError, Client
from podwire.kube.kinds import Kind
from podwire.kube.meta import NamespacedName, Object
from podwire.lab.host import credentials
from podwire.lab.host.worlds import World

READY_SECONDS = 120.0
OWN = "kube-system"
"""The namespace of a world's own pods."""
_POLL_SECONDS = 0.03
_AT_ONCE = 16
_APPLIED: tuple[Kind[Object], ...] = (
    kinds.NAMESPACES, kinds.NETWORK_POLICIES, kinds.SERVICES, kinds.ENDPOINT_SLICES, kinds.ENDPOINTS, kinds.PODS,
    kinds.DEPLOYMENTS, kinds.REPLICA_SETS, kinds.REPLICATION_CONTROLLERS, kinds.STATEFUL_SETS, kinds.DAEMON_SETS,
    kinds.JOBS, kinds.CLUSTER_NETWORK_POLICIES, kinds.SERVICE_ACCOUNTS, *mesh_objects.KINDS,
)  # type: ignore[assignment]  # fmt: skip
KINDS = {(kind.api_version.rpartition("/")[0], kind.kind): kind for kind in _APPLIED}


def bodies(objects: Mapping[str, Applied]) -> dict[str, Mapping[str, Any]]:
    """Return what the objects are, wherever they are written."""
    return {name: one.body for name, one in objects.items()}


def follow(world: World, before: Mapping[str, Applied], stages: Sequence[Sequence[Applied]], report: Progress) -> None:
    """Make a world that has the objects `before` hold these, stage by stage, and wait until all pods are ready.

    What differs is deleted and created again. Raises TrialError and UnreachableError.
    """
    there = bodies(before)
    same = {one.name for stage in stages for one in stage if there.get(one.name) == one.body}
    gone = [one for name, one in before.items() if name not in same]
    fresh = [[one for one in stage if one.name not in same] for stage in stages]
    report(f"creating {sum(map(len, fresh))} objects")
    workloads = [one for stage in stages for one in stage if one.kind in WORKLOADS]

    async def work(client: Client) -> None:
        slots = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(_delete(client, one, slots) for one in gone))
        for stage in fresh:
            await asyncio.gather(*(_create(client, one, slots) for one in stage))
        desired = pods_of(workloads, world.nodes)
        report(f"waiting for {desired} pods")
        await _ready(client, desired, frozenset(one.namespace for one in (*workloads, *gone)))
        await _redirected(client, report)

    Target(credentials.of_host(world), world).read(work)


async def _delete(client: Client, one: Applied, slots: asyncio.Semaphore) -> None:
    """Delete an object with what it made; a namespace stays, as it would take its content with it."""
    kind = KINDS[one.kind]
    if kind is kinds.NAMESPACES:
        return
    async with slots:
        with contextlib.suppress(ApiError):  # it is gone already
            key = NamespacedName(one.namespace, str(one.body["metadata"]["name"]))
            await client.delete(kind, key, grace_seconds=0)


async def _create(client: Client, one: Applied, slots: asyncio.Semaphore) -> None:
    kind = KINDS.get(one.kind)
    if kind is None:
        raise TrialError(f"{one.place}: {one.name}: worlds do not have this kind yet: leave it out of 'files'")
    async with slots:
        try:
            await client.create(kind, one.body, one.namespace)
        except ApiError as error:
            if error.reason == "AlreadyExists" and kind is kinds.NAMESPACES:
                await client.patch(kind, NamespacedName("", str(one.body["metadata"]["name"])), one.body)
                return
            raise TrialError(f"{one.place or one.name}: {one.name}: {error}") from None


async def _ready(client: Client, desired: int, namespaces: frozenset[str]) -> None:
    """Wait until as many pods are ready in these namespaces."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        pods = [one for one in (await client.list(PODS)).items if one.metadata.namespace in namespaces - {OWN}]
        waiting = [one for one in pods if not one.ready or one.metadata.deletion_timestamp]
        if len(pods) == desired and not waiting and await _are_endpoints(client, pods):
            return
        if time.monotonic() > deadline:
            raise TrialError(_trouble(desired, len(pods), waiting))
        await asyncio.sleep(_POLL_SECONDS)


async def _redirected(client: Client, report: Progress) -> None:
    """Wait until nodes lead the connections of enrolled pods to the mesh."""
    deadline, is_reported = time.monotonic() + READY_SECONDS, False
    while waiting := await _not_redirected(client):
        if time.monotonic() > deadline:
            raise TrialError(f"{len(waiting)} pods are not in the mesh after {READY_SECONDS:g} s: {waiting[0]}")
        if not is_reported:
            report("waiting for the mesh")
            is_reported = True
        await asyncio.sleep(_POLL_SECONDS)


async def _not_redirected(client: Client) -> list[NamespacedName]:
    namespaces, services, pods = await asyncio.gather(
        client.list(kinds.NAMESPACES), client.list(kinds.SERVICES), client.list(kinds.PODS)
    )
    found = workloads(namespaces.items, pods.items, services.items)
    return [one.key for one in found if one.enrolled and not one.redirected]


async def _are_endpoints(client: Client, pods: Sequence[PodReading]) -> bool:
    """Whether each pod that a Service selects is one of its endpoints, and load balancers have their addresses."""
    services, slices = await asyncio.gather(client.list(kinds.SERVICES), client.list(kinds.ENDPOINT_SLICES))
    for service in (one for one in services.items if one.spec.type != "ExternalName"):
        desired = service.spec.selector.items()
        own = [one for one in pods if one.metadata.namespace == service.metadata.namespace]
        selected = {one.metadata.name for one in own if desired and desired <= one.metadata.labels.items()}
        found = {
            endpoint.target_ref.name
            for piece in slices.items
            if piece.service == service.key
            for endpoint in piece.endpoints
            if endpoint.ready and endpoint.target_ref is not None
        }
        waits = service.spec.type == "LoadBalancer" and not service.status.load_balancer.ingress
        if waits or not selected <= found:
            return False
    return True


def _trouble(desired: int, there: int, waiting: Sequence[PodReading]) -> str:
    if there != desired:
        return f"{there} pods exist, not {desired}, after {READY_SECONDS:g} s: is a template refused?"
    named = "; ".join(f"{one.key}: {cause(one)}" for one in waiting[:5])
    return f"{len(waiting)} of {desired} pods are not ready after {READY_SECONDS:g} s: {named}"
