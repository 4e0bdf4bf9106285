"""Pods and EndpointSlices as single objects, for answers that need each of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from podwire.controllers.endpoints import from_pods
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import PodPlace, Workload
from podwire.kube.addresses import family_of
from podwire.kube.core import Pod, PodIP, PodSpec, PodStatus
from podwire.kube.discovery import SERVICE_NAME_LABEL, EndpointSlice
from podwire.kube.meta import Condition, ObjectMeta, OwnerReference
from podwire.kube.services import Service

_READY = (Condition(type="Ready", status="True"),)


def pods(snapshot: Snapshot, more: Iterable[Pod] = ()) -> tuple[Pod, ...]:
    """Return all pods, and more of them; one without an address gets one of the pod ranges."""
    found = [*(pod for one in snapshot.workloads for pod in _expanded(one)), *more]
    first = next(iter(snapshot.pod_ranges.networks))[1]
    return tuple(one if one.addresses else _addressed(one, str(first + number)) for number, one in enumerate(found))


def _expanded(one: Workload) -> Iterator[Pod]:
    """Yield the pods of a workload: those that exist, else as many as it has replicas."""
    owners = () if one.owner.kind == "Pod" else (OwnerReference(kind=one.owner.kind, name=one.name),)
    has_own_name = one.owner.kind == "StatefulSet"
    for place in one.pods or _made(one):
        metadata = ObjectMeta(
            name=place.name, namespace=one.namespace, labels=dict(one.labels), owner_references=owners
        )
        spec = msgspec.structs.replace(one.spec, hostname=place.name) if has_own_name else one.spec
        yield pod_of(metadata, spec, place)


def _made(one: Workload) -> Iterator[PodPlace]:
    """Yield pods that will be made; names that will be drawn are numbers from 1."""
    if one.owner.kind == "Pod":
        yield PodPlace(one.name)
        return
    yield from map(PodPlace, one.made_names() or (f"{one.name}-{number + 1}" for number in range(one.replicas)))


def pod_of(metadata: ObjectMeta, spec: PodSpec, place: PodPlace) -> Pod:
    """Return a pod; one that does not exist yet is taken to be ready."""
    addresses = tuple(PodIP(ip=one) for one in place.addresses)
    conditions = _READY if place.is_ready else ()
    phase = "Succeeded" if place.is_finished else "Running"
    return Pod(metadata=metadata, spec=spec, status=PodStatus(phase=phase, pod_ips=addresses, conditions=conditions))


def _addressed(pod: Pod, address: str) -> Pod:
    status = msgspec.structs.replace(pod.status, pod_ip=address, pod_ips=(PodIP(ip=address),))
    return msgspec.structs.replace(pod, status=status)


def slices(service: Service, pods: Iterable[Pod]) -> Iterator[EndpointSlice]:
    """Yield the slices that the Service's selector would get, one for each pod: target ports differ; none without."""
    selector = service.spec.selector.items()
    chosen = (one for one in pods if one.metadata.namespace == service.metadata.namespace and not one.finished)
    for number, pod in enumerate(one for one in chosen if selector and selector <= one.metadata.labels.items()):
        metadata = ObjectMeta(
            name=f"{service.metadata.name}-{number + 1}",
            namespace=service.metadata.namespace,
            labels={SERVICE_NAME_LABEL: service.metadata.name},
        )
        address = pod.addresses[0]
        yield EndpointSlice(
            metadata=metadata,
            address_type=f"IPv{family_of(address)}",
            endpoints=(from_pods.endpoint(service, pod, address, ""),),
            ports=from_pods.ports(service, pod),
        )
