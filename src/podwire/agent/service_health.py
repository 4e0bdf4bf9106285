"""The health check node ports of Services: which exist, where the node listens, and what it answers. Pure.

A load balancer learns there whether a node has an endpoint of a Service with `externalTrafficPolicy: Local`.

    ready endpoints on this node    proxy healthy    status
    none                            either           503
    one or more                     no               503
    one or more                     yes              200

Source: k8s.io/kubernetes `pkg/proxy/healthcheck/service_health.go`.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterable
from http import HTTPStatus

import msgspec

from podwire.component.endpoints import JSON, Page
from podwire.kube.addresses import IPAddress, family_of
from podwire.kube.discovery import NOT_PROXIED
from podwire.kube.local_endpoints import needs_local_endpoints
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.services.node_view import PRIMARY

WEIGHT_HEADER = "X-Load-Balancing-Endpoint-Weight"

_EVERYWHERE = frozenset({ipaddress.ip_address(0), ipaddress.IPv6Address(0)})


class CheckPort(msgspec.Struct, frozen=True):
    """A port to listen on, and the IP versions of its Service."""

    port: int
    families: frozenset[int]

    def family_for(self, address: IPAddress) -> int:
        """The IP version whose endpoints count at an address of the node: its own, or the only one of the Service.

        A load balancer may check nodes by IPv6 for a Service of IPv4 alone, as kube-proxy's wildcard sockets allow.
        """
        return address.version if address.version in self.families else min(self.families, default=address.version)


def check_port(service: Service) -> CheckPort | None:
    """Return the health check node port of a Service, None where it has none that this proxy serves."""
    port = service.spec.health_check_node_port
    if not port or not needs_local_endpoints(service) or NOT_PROXIED & service.metadata.labels.keys():
        return None
    return CheckPort(port, frozenset(family_of(address) for address in service.addresses))


def listen_addresses(
    nodeport_addresses: Iterable[str], internal: Collection[IPAddress], held: Collection[IPAddress]
) -> tuple[IPAddress, ...]:
    """Return the addresses on which node ports are checked, after `--nodeport-addresses`.

    `internal` are the InternalIPs of the Node, `held` the addresses of its links. A range of all addresses is the
    wildcard address.
    """
    found: dict[IPAddress, None] = {}
    for text in nodeport_addresses:
        if text == PRIMARY:
            found |= dict.fromkeys(internal)
            continue
        block = ipaddress.ip_network(text)
        if block.prefixlen == 0:
            found[block.network_address] = None
        else:
            found |= dict.fromkeys(address for address in held if address in block)
    wildcards = {address.version for address in found if address in _EVERYWHERE}
    return tuple(address for address in found if address.version not in wildcards or address in _EVERYWHERE)


def page(service: NamespacedName, ready: int, *, healthy: bool) -> Page:
    """Return the answer for a Service with so many ready endpoints on this node."""
    body = {
        "service": {"namespace": service.namespace, "name": service.name},
        "localEndpoints": ready,
        "serviceProxyHealthy": healthy,
    }
    status = HTTPStatus.OK if ready and healthy else HTTPStatus.SERVICE_UNAVAILABLE
    return Page(json.dumps(body, indent="\t"), status, JSON, ((WEIGHT_HEADER, str(ready)),))
