"""The shares of a route's requests, with the endpoints that get them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from podwire.edge.gateway.endpoints import endpoints
from podwire.edge.model.backends import Cluster, ServicePort, WeightedBackend
from podwire.insight.service.choices import state
from podwire.insight.url.objects import UrlObjects
from podwire.insight.url.report import BackendLine, EndpointLine
from podwire.kube import backends
from podwire.kube.meta import NamespacedName

NO_BACKEND, NO_ENDPOINT = 500, 503


def backend_lines(
    shares: tuple[WeightedBackend, ...], clusters: Mapping[str, Cluster], objects: UrlObjects
) -> tuple[BackendLine, ...]:
    """Return a line for each backend of a rule, in its order."""
    total = sum(one.weight for one in shares)
    return tuple(_line(one, 100 * one.weight / total if total else 0.0, clusters, objects) for one in shares)


def _line(share: WeightedBackend, percent: float, clusters: Mapping[str, Cluster], objects: UrlObjects) -> BackendLine:
    cluster = clusters.get(share.cluster)
    if cluster is None:
        return BackendLine("", share.weight, percent, share.problem, NO_BACKEND)
    port = cluster.port
    lines = tuple(endpoint_lines(port, objects))
    over = f"{cluster.transport}{' over TLS' if cluster.tls else ''}"
    return BackendLine(
        f"{port.namespace}/{port.service}:{port.port}", share.weight, percent, f"{over}, {counted(lines)}",
        0 if any(one.is_used for one in lines) else NO_ENDPOINT, lines,
    )  # fmt: skip


def counted(lines: tuple[EndpointLine, ...]) -> str:
    """Return how many endpoints are used, of how many, in words."""
    used = sum(one.is_used for one in lines)
    return f"{used} of {len(lines)} endpoints" if used != len(lines) else f"{used} endpoint{'' if used == 1 else 's'}"


def endpoint_lines(port: ServicePort, objects: UrlObjects) -> Iterator[EndpointLine]:
    """Yield all endpoints of a port, in the family that is used; the used ones are those of a proxy's model."""
    key = NamespacedName(port.namespace, port.service)
    service = objects.edge.services[key]
    name = next(one.name for one in service.spec.ports if (one.port, one.protocol) == (port.port, port.protocol))
    used = {(one.address, one.port) for one in endpoints(port, objects.edge).endpoints}
    families = {6 if ":" in address else 4 for address, _ in used} or {4, 6}
    by_port = backends.by_port(service, objects.edge.slices_of(key))
    for family in sorted(families):
        for one, member in sorted(by_port.get(backends.PortKey(name, port.protocol, family), {}).items()):
            place = f"[{one.address}]:{one.port}" if ":" in one.address else f"{one.address}:{one.port}"
            is_used = (one.address, one.port) in used
            yield EndpointLine(place, str(member.pod or ""), member.node, state(member), is_used)
