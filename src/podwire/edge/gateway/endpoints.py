"""The endpoints of a port of a Service, from its EndpointSlices. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from podwire.edge.model.backends import Endpoint, Endpoints, ServicePort
from podwire.kube import backends
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from podwire.edge.gateway.objects import Objects


def endpoints(port: ServicePort, objects: Objects) -> Endpoints:
    """Return those that receive connections: one family where the Service has both, its first; none without Service."""
    key = NamespacedName(port.namespace, port.service)
    service = objects.services.get(key)
    ports = service.spec.ports if service is not None else ()
    named = next((one for one in ports if (one.port, one.protocol) == (port.port, port.protocol)), None)
    if service is None or named is None:
        return Endpoints(port, ())
    if port.by_address:
        addresses = [one for one in service.spec.cluster_ips if one != "None"]
        return Endpoints(port, tuple(Endpoint(one, port.port) for one in addresses[:1]))
    by_port = backends.by_port(service, objects.slices_of(key))
    for family in (4, 6) if service.spec.ip_families[:1] != ("IPv6",) else (6, 4):
        members = by_port.get(backends.PortKey(named.name, port.protocol, family), {})
        receiving = backends.receiving(members)
        if receiving:
            found = (Endpoint(one.address, one.port, member.zone, member.node) for one, member in receiving.items())
            return Endpoints(port, tuple(sorted(found)))
    return Endpoints(port, ())
