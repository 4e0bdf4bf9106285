"""What would allow the connections of a request that no policy admits, as objects to apply. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from podwire.insight.connection import explain, points
from podwire.insight.connection.points import Point
from podwire.insight.connection.report import Change
from podwire.insight.connection.sides import Way
from podwire.insight.snapshot.planned import read_keys
from podwire.insight.snapshot.pod_ranges import of_nodes
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.templates import of_pods
from podwire.insight.snapshot.workload import Workload
from podwire.insight.url.connections import Connection, End
from podwire.insight.url.objects import UrlObjects


def changes_of(found: Iterable[Connection], objects: UrlObjects) -> tuple[Change, ...]:
    """Return a change for each end of a connection that is not admitted, equal ones once."""
    denied = [one for one in found if not one.verdict.allowed]
    if not denied:
        return ()
    ways, snapshot = ways_of(denied, objects)
    return tuple(explain.changes_of(ways, explain.context_of(snapshot)))


def ways_of(found: Iterable[Connection], objects: UrlObjects) -> tuple[tuple[Way, ...], Snapshot]:
    """Return connections with their ends as workloads, and the objects of these."""
    snapshot = snapshot_of_objects(objects)
    bearers = {f"{one.namespace}/{pod.name}": one for one in snapshot.workloads for pod in one.pods}

    def point(end: End) -> Point:
        return _point(end, bearers, snapshot)

    ways = tuple(Way(point(one.source), point(one.destination), one.protocol, one.port) for one in found)
    return ways, snapshot


def snapshot_of_objects(objects: UrlObjects) -> Snapshot:
    """Return what policies and Services read of the objects of a request."""
    services = tuple(one for _, one in sorted(objects.edge.services.items()))
    known = objects.snapshot
    read = read_keys(objects.policies, services, objects.cluster_policies, objects.mesh)
    return Snapshot(
        {one.metadata.name: one.metadata.labels for one in objects.edge.namespaces.values()},
        tuple(of_pods((one for one in objects.pods if not one.finished), read)),
        objects.policies,
        services,
        tuple(one for _, one in sorted(objects.edge.endpoint_slices.items())),
        objects.nodes,
        pod_ranges=known.pod_ranges if known is not None else of_nodes(objects.nodes),
        is_planned=objects.is_planned,
        manifests=known.manifests if known is not None else {},
        cluster_policies=objects.cluster_policies,
        default_deny=objects.default_deny,
        mesh=objects.mesh,
    )


def _point(end: End, bearers: Mapping[str, Workload], snapshot: Snapshot) -> Point:
    """Return the workload of a pod, so that replicas need one change; else the address."""
    address = end.party.address
    workload = bearers.get(end.name)
    if workload is not None and end.party.identity is not None:
        return points.of_workload(workload, None, address.version, snapshot)
    return points.of_address(address, end.name)
