"""Which pods a Service forwards to: of its EndpointSlices, or those that its selector would get. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from podwire.controllers.endpoints import from_pods
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import Workload
from podwire.kube.backends import PortKey, by_port
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service, ServicePort


class Backing(msgspec.Struct, frozen=True):
    """Pods, or addresses that are no pods, behind one port of a Service.

    Attributes:
        workload: None for addresses that are no pods of the snapshot.
        port: the port of the pods; None where no container has a port of the name.
        addresses: those of the slices; empty for pods that will be made.
        is_ready: whether connections go there.

    """

    workload: Workload | None
    port: int | None
    addresses: tuple[str, ...] = ()
    is_ready: bool = True


def selected(service: Service, snapshot: Snapshot) -> Iterator[Workload]:
    """Yield the workloads that the Service's selector selects; none without a selector."""
    desired = service.spec.selector.items()
    for one in snapshot.workloads if desired else ():
        if one.namespace == service.metadata.namespace and desired <= one.labels.items():
            yield one


def target(port: ServicePort, workload: Workload) -> int | None:
    """Return the pod's port for a port of a Service; None where no container has a port of its name."""
    return from_pods.target(port, workload.spec)


def backings(service: Service, port: ServicePort, snapshot: Snapshot) -> tuple[Backing, ...]:
    """Return what is behind a port: as its EndpointSlices name it, else as its selector would."""
    pieces = tuple(one for one in snapshot.slices if one.service == service.key)
    if pieces or not snapshot.is_planned:
        return tuple(_of_slices(service, port, pieces, snapshot))
    return tuple(
        Backing(one, target(port, one), _addresses(one), is_ready=_is_ready(one, service))
        for one in selected(service, snapshot)
        if one.replicas
    )


def _is_ready(one: Workload, service: Service) -> bool:
    """Pods that will be made are taken to be ready; written ones are as their status reports, where there is one."""
    known = [pod for pod in one.pods if pod.addresses]
    return not known or service.spec.publish_not_ready_addresses or any(pod.is_ready for pod in known)


def _addresses(one: Workload) -> tuple[str, ...]:
    return tuple(address for pod in one.pods for address in pod.addresses)


def _of_slices(
    service: Service, port: ServicePort, pieces: tuple[EndpointSlice, ...], snapshot: Snapshot
) -> Iterator[Backing]:
    """Yield the endpoints by workload and port; several addresses of one workload are one backing."""
    bearers = bearers_of(snapshot)
    grouped: dict[tuple[int, int, bool], tuple[Workload | None, list[str]]] = {}
    table = by_port(service, pieces)
    for family in (4, 6):
        for backend, member in table.get(PortKey(port.name, port.protocol, family), {}).items():
            found = bearers.get(backend.address)
            key = (id(found), backend.port, member.ready)
            grouped.setdefault(key, (found, []))[1].append(backend.address)
    for (_, number, ready), (workload, addresses) in grouped.items():
        yield Backing(workload, number, tuple(addresses), is_ready=ready)


def bearers_of(snapshot: Snapshot) -> Mapping[str, Workload]:
    """Return the workload of each address of a pod; not those of the nodes' network."""
    return {
        address: one
        for one in snapshot.workloads
        if not one.spec.host_network
        for pod in one.pods
        if not pod.is_finished
        for address in pod.addresses
    }
