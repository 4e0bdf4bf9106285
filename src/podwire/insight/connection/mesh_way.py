"""The mesh's part of a connection: to enrolled pods, over TCP. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from podwire.insight.connection.points import Kind, Point
from podwire.insight.connection.sides import Context, Way
from podwire.insight.mesh_policies import ends, judgement, reading
from podwire.insight.mesh_policies.ends import Client, Mesh
from podwire.insight.mesh_policies.report import MeshLine
from podwire.insight.snapshot.pod_ranges import covers
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.mesh.authorization.model import Source
from podwire.mesh.model.workload import Workload


def mesh_line(way: Way, context: Context) -> MeshLine | None:
    """Return what the mesh makes of a connection and the context's request; None where it does not concern it."""
    server = workload_of_point(way.destination, context.snapshot)
    if way.protocol != "TCP" or server is None or not server.enrolled:
        return None
    addresses = tuple(dict.fromkeys(_addresses(way.source, context.mesh)))
    may_be_own = way.source.kind is Kind.NODE and not (way.source.node and way.destination.node)
    client = Client(workload_of_point(way.source, context.snapshot), addresses, may_be_own)
    return judgement.judge(client, server, way.port, context.mesh, context.request)


def workload_of_point(point: Point, snapshot: Snapshot) -> Workload | None:
    """Return pods with addresses of their own as the mesh sees them."""
    found = point.workload
    if point.kind is not Kind.POD or found is None:
        return None
    selectors = ends.enrolled_selectors(snapshot.services).get(found.namespace, ())
    labels = snapshot.namespaces.get(found.namespace, {})
    return reading.workload_of(found, labels, selectors, point.addresses, point.node)


def _addresses(point: Point, mesh: Mesh) -> Iterator[str]:
    """Yield addresses of the client: those that are known, else one of no rule, and one of each range of rules."""
    if point.addresses:
        yield from map(str, point.addresses)
        return
    yield str(point.party(1).address)
    for network in map(ipaddress.ip_network, _ranges(mesh)):
        if network.version == point.family:
            inner = next((one for one in point.networks if covers(network, one)), network)
            if not point.networks or any(covers(one, inner) for one in point.networks):
                yield str(inner.network_address)


def _ranges(mesh: Mesh) -> Iterator[str]:
    for policy in mesh.authorization.policies:
        for rule in policy.rules:
            for one in (*rule.sources, *rule.conditions):
                if isinstance(one, Source):
                    yield from (*one.addresses, *one.not_addresses)
