"""The endpoints of a port of a Service, from its EndpointSlices. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.edge.model.backends import Endpoint, Endpoints, ServicePort
from podwire.kube import backends
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from podwire.edge.gateway.objects import Objects


def endpoints(port: ServicePort, objects: Objects, protocol: str = "TCP") -> Endpoints:
    """Return those that receive connections: one family where the Service has both, its first; none without Service."""
    key = NamespacedName(port.namespace, port.service)
    service = objects.services.get(key)
    named = (
        next((one for one in service.spec.ports if (one.port, one.protocol) == (port.port, protocol)), None)
        if (service is not None)
        else None
    )
    if service is None or named is None:
        return Endpoints(port, ())
    by_port = backends.by_port(service, objects.slices_of(key))
    for family in (4, 6) if service.spec.ip_families[:1] != ("IPv6",) else (6, 4):
        members = by_port.get(backends.PortKey(named.name, protocol, family), {})
        receiving = backends.receiving(members)
        if receiving:
            found = (Endpoint(one.address, one.port, member.zone, member.node) for one, member in receiving.items())
            return Endpoints(port, tuple(sorted(found)))
    return Endpoints(port, ())
