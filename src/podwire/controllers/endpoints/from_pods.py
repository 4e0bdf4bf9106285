"""Endpoints from the pods of a Service: addresses, conditions, ports. Pure.

Source: kubernetes `staging/src/k8s.io/endpointslice/utils.go` (podToEndpoint, getEndpointPorts), `pkg/api/v1/pod`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from podwire.kube.addresses import usable
from podwire.kube.discovery import Endpoint, EndpointConditions, EndpointPort, ObjectReference

if TYPE_CHECKING:
    from podwire.kube.core import Pod, PodSpec
    from podwire.kube.services import Service, ServicePort

Ports = tuple[EndpointPort, ...]


def families(service: Service) -> tuple[str, ...]:
    """Return the IP families of a Service: those in its spec, else those of its addresses, else IPv4."""
    if service.spec.ip_families:
        return service.spec.ip_families
    return tuple(dict.fromkeys(family(address) for address in service.addresses)) or ("IPv4",)


def family(address: str) -> str:
    """Return IPv4 or IPv6."""
    return f"IPv{ipaddress.ip_address(address).version}"


def addresses(pod: Pod) -> dict[str, str]:
    """Return the first usable address of each family; none for a finished pod."""
    found: dict[str, str] = {}
    for text in () if pod.finished else pod.addresses:
        address_type = usable_family(text)
        if address_type:
            found.setdefault(address_type, text)
    return found


def usable_family(text: str) -> str:
    """Return the family of an address; empty for one that traffic may not be sent to.

    The API server would refuse the whole slice for it (CVE-2021-25737), and one pod must not take a Service down.
    """
    address = usable(text)
    return "" if address is None else f"IPv{address.version}"


def desired(
    service: Service, pods: Iterable[Pod], zone_of: Callable[[str], str], address_type: str
) -> dict[Ports, list[Endpoint]]:
    """Return the endpoints of one family, grouped by their ports."""
    groups: dict[Ports, list[Endpoint]] = {}
    for pod in sorted(pods, key=lambda pod: pod.metadata.name):
        address = addresses(pod).get(address_type)
        if address is not None:
            zone = zone_of(pod.spec.node_name)
            groups.setdefault(ports(service, pod), []).append(endpoint(service, pod, address, zone))
    return groups


def endpoint(service: Service, pod: Pod, address: str, zone: str) -> Endpoint:
    """Return a pod as an endpoint. A terminating one is not ready, unless the Service publishes all addresses."""
    terminating = pod.metadata.deletion_timestamp is not None
    ready = service.spec.publish_not_ready_addresses or (pod.ready and not terminating)
    named = pod.spec.hostname and pod.spec.subdomain == service.metadata.name
    return Endpoint(
        addresses=(address,),
        conditions=EndpointConditions(ready=ready, serving=pod.ready, terminating=terminating),
        hostname=pod.spec.hostname if named else "",
        node_name=pod.spec.node_name,
        zone=zone,
        target_ref=ObjectReference(
            kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
        ),
    )


def ports(service: Service, pod: Pod) -> Ports:
    """Return the Service's ports with the port numbers of this pod; unknown names are left out."""
    found = ((port, target(port, pod.spec)) for port in service.spec.ports)
    return tuple(
        EndpointPort(name=port.name, protocol=port.protocol, port=number, app_protocol=port.app_protocol)
        for port, number in found
        if number is not None
    )


def target(port: ServicePort, spec: PodSpec) -> int | None:
    """Return the number of a targetPort; names are those of container ports of the same protocol."""
    if not isinstance(port.target_port, str):
        return port.target_port or port.port
    sidecars = (c for c in spec.init_containers if c.restart_policy == "Always")
    for container in (*spec.containers, *sidecars):
        for candidate in container.ports:
            if candidate.name == port.target_port and candidate.protocol == port.protocol:
                return candidate.container_port
    return None
