"""What an expectation connects to: each address and port that its name means. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from podwire.insight.snapshot.endpoints import backings
from podwire.insight.snapshot.ends import End, EndError, EndKind
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.verify.places import Place, Places
from podwire.kube.services import Service, ServicePort

Port = int | str | None


class Destination(msgspec.Struct, frozen=True):
    """One address and port.

    Attributes:
        name: as reports show it.
        places: the pods or nodes at the other end; several behind a Service; none where it is not the world's.
        endpoints: address and port after translation; what policies judge.
        problem: why packets to it prove nothing; empty where they do.

    """

    name: str
    address: str
    port: int
    protocol: str
    places: tuple[Place, ...] = ()
    endpoints: tuple[tuple[str, int], ...] = ()
    problem: str = ""

    @property
    def is_translated(self) -> bool:
        """Whether a Service is between."""
        return bool(self.endpoints) and (self.address, self.port) not in self.endpoints


def destinations(end: End, port: Port, protocol: str, snapshot: Snapshot, places: Places) -> tuple[Destination, ...]:
    """Return all of them. Raises EndError where the port means nothing there."""
    match end.kind:
        case EndKind.PODS:
            return tuple(_of_pods(end, port, protocol, places))
        case EndKind.SERVICE:
            assert end.service is not None, "ends of this kind have one"
            external = _by_external_address(end, port, protocol, snapshot, places)
            return external or tuple(_of_service(end.service, port, protocol, snapshot, places))
        case EndKind.NODE:
            assert end.node is not None, "ends of this kind have one"
            node, number = places.nodes[end.node.metadata.name], _number(port, end.text)
            return _of_node_port(node, number, protocol, snapshot, places) or _of_host(node, number, protocol)
        case EndKind.OUTSIDE:
            return _of_host(places.outside, _number(port, end.text), protocol)
        case EndKind.ADDRESS:
            address, number = str(end.address), _number(port, end.text)
            return (Destination(end.text, address, number, protocol, (), ((address, number),)),)
        case EndKind.HOST:
            raise EndError(f"{end.text}: a host name outside of the cluster has no fixed address: write an IP address")


def from_outside(end: End, port: Port, protocol: str, snapshot: Snapshot, places: Places) -> tuple[Destination, ...]:
    """Return the addresses of the end for the host outside: load balancers and node ports; else the pods' addresses."""
    inner = destinations(end, port, protocol, snapshot, places)
    if end.kind is EndKind.NODE or _by_external_address(end, port, protocol, snapshot, places):
        return inner
    desired = {endpoint for one in inner for endpoint in one.endpoints}
    found = [
        one
        for service in snapshot.services
        for one in _exposed(service, protocol, snapshot, places)
        if desired & set(one.endpoints)
    ]
    direct = tuple(one for one in inner if one.address not in _cluster_addresses(snapshot))
    return (*found, *direct) if found or direct else inner


def _of_pods(end: End, port: Port, protocol: str, places: Places) -> Iterator[Destination]:
    for workload in end.workloads:
        numbers = [
            (one.container_port, one.protocol)
            for one in workload.ports
            if (port is None or (one.name == port and one.protocol == protocol))
        ]
        if isinstance(port, int):
            numbers = [(port, protocol)]
        if not numbers:
            raise _no_port(end.text, port, protocol, (one.name or str(one.container_port) for one in workload.ports))
        for pod in (end.pod,) if end.pod is not None else workload.pods:
            place = places.pods.get(f"{workload.namespace}/{pod.name}")
            if place is None:
                continue
            for number, spoken in numbers:
                yield from _of_host(place, number, spoken)


def _of_host(place: Place, port: int, protocol: str) -> tuple[Destination, ...]:
    return tuple(
        Destination(place.name, address, port, protocol, (place,), ((address, port),)) for address in place.addresses
    )


def _of_service(
    service: Service, port: Port, protocol: str, snapshot: Snapshot, places: Places
) -> Iterator[Destination]:
    if service.spec.type == "ExternalName":
        raise EndError(f"{service.key}: leads to the host name {service.spec.external_name}: write an IP address")
    if service.headless and isinstance(port, int):
        yield from _of_pods_behind(service, port, protocol, snapshot, places)
        return
    ports = [one for one in service.spec.ports if _means(one, port, protocol)]
    if not ports:
        raise _no_port(f"Service {service.key}", port, protocol, (f"{one.port}" for one in service.spec.ports))
    for one in ports:
        endpoints = _endpoints(service, one, snapshot)
        if service.headless:
            for address, number in endpoints:
                behind = _behind(((address, number),), places)
                yield Destination(str(service.key), address, number, one.protocol, behind, ((address, number),))
            if not endpoints:
                yield _empty(service, one, "")
            continue
        for address in service.addresses:
            same = tuple(two for two in endpoints if (":" in two[0]) == (":" in address))
            if not same:
                yield _empty(service, one, address)
                continue
            yield Destination(str(service.key), address, one.port, one.protocol, _behind(same, places), same)


def _of_pods_behind(
    service: Service, port: int, protocol: str, snapshot: Snapshot, places: Places
) -> Iterator[Destination]:
    """Yield the pods that the name of a headless Service means, with the port as it is written: nothing translates it.

    A named port is that of the pods, as in SRV records.
    """
    same = [one for one in service.spec.ports if (one.port, one.protocol) == (port, protocol)]
    ports = same or service.spec.ports or (ServicePort(port, "", protocol),)
    found = dict.fromkeys(address for one in ports for address, _ in _endpoints(service, one, snapshot))
    for address in found:
        ends = ((address, port),)
        yield Destination(str(service.key), address, port, protocol, _behind(ends, places), ends)
    if not found:
        yield _empty(service, ServicePort(port, "", protocol), "")


def _of_node_port(
    node: Place, number: int, protocol: str, snapshot: Snapshot, places: Places
) -> tuple[Destination, ...]:
    """Return what the node port of a Service forwards to, in the families of its endpoints; nothing without one."""
    return tuple(
        one
        for service in snapshot.services
        for one in _exposed(service, protocol, snapshot, places)
        if one.port == number and one.address in node.addresses
    )


def _by_external_address(
    end: End, port: Port, protocol: str, snapshot: Snapshot, places: Places
) -> tuple[Destination, ...]:
    """Return what a load balancer's address forwards to, and an address of `externalIPs`; nothing for any other end."""
    if end.service is None or str(end.address) not in end.service.external_addresses:
        return ()
    ports = {one.port for one in end.service.spec.ports if _means(one, port, protocol)}
    exposed = _exposed(end.service, protocol, snapshot, places)
    return tuple(one for one in exposed if one.address == str(end.address) and one.port in ports)


def _exposed(service: Service, protocol: str, snapshot: Snapshot, places: Places) -> Iterator[Destination]:
    """Yield the addresses that clients outside reach a Service by."""
    for one in service.spec.ports:
        if one.protocol != protocol:
            continue
        endpoints = _endpoints(service, one, snapshot)
        targets = [(address, one.port) for address in service.external_addresses]
        if one.node_port and service.spec.type in {"NodePort", "LoadBalancer"}:
            targets += [(address, one.node_port) for node in places.nodes.values() for address in node.addresses]
        for address, number in targets:
            same = tuple(two for two in endpoints if (":" in two[0]) == (":" in address))
            if same:
                yield Destination(str(service.key), address, number, protocol, _behind(same, places), same)


def _endpoints(service: Service, port: ServicePort, snapshot: Snapshot) -> tuple[tuple[str, int], ...]:
    return tuple(
        (address, one.port)
        for one in backings(service, port, snapshot)
        if one.is_ready and one.port is not None
        for address in one.addresses
    )


def _behind(endpoints: tuple[tuple[str, int], ...], places: Places) -> tuple[Place, ...]:
    desired = {address for address, _ in endpoints}
    return tuple(one for one in places.pods.values() if desired & set(one.addresses))


def _empty(service: Service, port: ServicePort, address: str) -> Destination:
    problem = f"Service {service.key} has no ready endpoint for port {port.port}: packets to it prove nothing"
    return Destination(str(service.key), address, port.port, port.protocol, problem=problem)


def _cluster_addresses(snapshot: Snapshot) -> frozenset[str]:
    return frozenset(address for service in snapshot.services for address in service.addresses)


def _means(one: ServicePort, port: Port, protocol: str) -> bool:
    if port is None:
        return True
    return one.protocol == protocol and port in {one.port, one.name}


def _number(port: Port, text: str) -> int:
    if isinstance(port, int):
        return port
    raise EndError(f"to {text}: write the number of the port")


def _no_port(text: str, port: Port, protocol: str, there: Iterator[str]) -> EndError:
    known = ", ".join(sorted(set(there)))
    if port is None:
        return EndError(f"{text}: declares no port: write the port")
    return EndError(f"{text}: has no port {port}/{protocol}" + (f"; there is {known}" if known else ""))
