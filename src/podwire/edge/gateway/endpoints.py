"""The endpoints of a port of a Service, from its EndpointSlices. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from podwire.edge.model.backends import Endpoint, Endpoints, ServicePort
from podwire.kube import backends
from podwire.kube.meta import NamespacedName

if TYPE_CHECKING:
    from podwire.edge.gateway.objects import Objects


def endpoints(port: ServicePort, objects: Objects) -> Endpoints:
    """Return those that receive connections: one family where the Service has both, its first; none without Service.

    An address that would lead to the Envoy's own pod or its node is left out (CVE-2021-25737), whoever has written it.
    """
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
        receiving = backends.receiving({key: one for key, one in members.items() if _is_elsewhere(one.address)})
        if receiving:
            found = (Endpoint(one.address, one.port, member.zone, member.node) for one, member in receiving.items())
            return Endpoints(port, tuple(sorted(found)))
    return Endpoints(port, ())


def _is_elsewhere(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    one = getattr(found, "ipv4_mapped", None) or found
    return not (one.is_loopback or one.is_link_local or one.is_unspecified or one.is_multicast)
