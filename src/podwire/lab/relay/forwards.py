"""What is reachable from the host: for each Service its load balancer's addresses and its node ports. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.services import EXPOSED_TYPES, Service, ServicePort
from podwire.lab.relay.published import PublishedPort

Kind = Literal["LoadBalancer", "NodePort", "ClusterIP"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PROTOCOLS = frozenset({"TCP", "UDP"})


class Forward(msgspec.Struct, frozen=True):
    """One port of a Service (`service_port`) as a client outside of the cluster reaches it.

    `address` is that of the load balancer, or the Service's own for a published ClusterIP; a node port is at every node
    and has none. `local`: only nodes with an endpoint answer. `families` are those of the Service.
    """

    service: NamespacedName
    kind: Kind
    protocol: str
    port: int
    service_port: int
    address: str = ""
    local: bool = False
    families: tuple[str, ...] = ("IPv4",)

    @property
    def key(self) -> str:
        """What identifies it among all of a world."""
        return f"{self.kind}/{self.protocol}/{self.address}/{self.port}"


def forwards_of(service: Service, internal: Sequence[Network]) -> list[Forward]:
    """Return everything of a Service that the outside host reaches: nothing of an internal load balancer."""
    ports = [port for port in service.spec.ports if port.protocol in PROTOCOLS]
    return [forward for port in ports for forward in _of_port(service, port, internal)]


def internal_addresses(service: Service, internal: Sequence[Network]) -> list[str]:
    """Return the addresses of a Service that only nodes and pods reach."""
    return [address for address in ingress_addresses(service) if is_internal(address, internal)]


def ingress_addresses(service: Service) -> list[str]:
    """Return the addresses of a load balancer; host names and what any controller may have written are left out."""
    return [entry.ip for entry in service.status.load_balancer.ingress if _is_address(entry.ip)]


def is_internal(address: str, internal: Sequence[Network]) -> bool:
    """Whether an address is one of an internal load balancer."""
    return any(ipaddress.ip_address(address) in pool for pool in internal)


def published_forward(service: Service | None, published: PublishedPort, internal: Sequence[Network]) -> Forward | str:
    """Where a published port forwards to; the reason where it does not yet.

    The first of: an address of the load balancer, a node port, the cluster address.
    """
    if service is None:
        return "there is no such Service"
    port = _port(service, published)
    if port is None:
        return f"the Service has no port {published.port}/{published.protocol}"
    for forward in _of_port(service, port, internal):
        return forward
    if service.spec.cluster_ip in {"", "None"}:
        return "the Service has no address of its own"
    families = service.spec.ip_families or ("IPv4",)
    address = service.spec.cluster_ip
    return Forward(service.key, "ClusterIP", port.protocol, port.port, port.port, address, families=families)


def serving_nodes(service: NamespacedName, slices: Iterable[EndpointSlice]) -> frozenset[str]:
    """Return the nodes with a ready endpoint of a Service: of those with policy Local only they answer."""
    mine = (one for one in slices if one.service == service)
    return frozenset(end.node_name for one in mine for end in one.endpoints if end.ready and end.node_name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _port(service: Service, published: PublishedPort) -> ServicePort | None:
    for port in service.spec.ports:
        if port.protocol == published.protocol and published.port in {str(port.port), port.name}:
            return port
    return None


def _of_port(service: Service, port: ServicePort, internal: Sequence[Network]) -> Iterator[Forward]:
    if service.spec.type not in EXPOSED_TYPES:
        return
    addresses = ingress_addresses(service)
    public = [address for address in addresses if not is_internal(address, internal)]
    if addresses and not public:
        return
    for address in public:
        yield Forward(service.key, "LoadBalancer", port.protocol, port.port, port.port, address)
    if port.node_port:
        local = service.spec.external_traffic_policy == "Local"
        families = service.spec.ip_families or ("IPv4",)
        yield Forward(service.key, "NodePort", port.protocol, port.node_port, port.port, local=local, families=families)
