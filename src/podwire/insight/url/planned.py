"""The objects of files as a cluster would have them, for requests. Pure.

Pods that do not exist yet get addresses of the pod ranges; every one of them is taken to be ready.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from podwire.edge.controller import fleet
from podwire.edge.gateway.gateway_proxy import INGRESS, proxy_name
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.ingress.kinds import INGRESS_CLASSES, INGRESSES, IngressClass, IngressClassSpec
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import PodPlace, Workload
from podwire.insight.snapshot.written import NAME_LABEL, decoded
from podwire.insight.url.objects import UrlObjects
from podwire.kube.core import Namespace, Pod, PodIP, PodSpec, PodStatus
from podwire.kube.discovery import SERVICE_NAME_LABEL, EndpointSlice
from podwire.kube.gateway_api import CLASSES, CONTROLLER_NAME, PROXIES
from podwire.kube.ingress import CLASSES as CLASSES_OF_INGRESSES
from podwire.kube.kinds import CONFIG_MAPS, SECRETS, Kind
from podwire.kube.meta import Condition, NamespacedName, ObjectMeta, OwnerReference
from podwire.kube.services import Service, ServicePort

OUTSIDE = ("203.0.113.1", "2001:db8::1")
"""Addresses of clients outside (RFC 5737 and 3849)."""
_EDGE: Mapping[tuple[str, str], Kind[Any]] = {
    (one.api_version.rpartition("/")[0], one.kind): one for one in (*KINDS, SECRETS, CONFIG_MAPS)
}
_CLASSES = tuple(
    IngressClass(metadata=ObjectMeta(name=name), spec=IngressClassSpec(controller=controller))
    for name, controller in CLASSES_OF_INGRESSES
)
_READY = (Condition(type="Ready", status="True"),)


def objects_of(snapshot: Snapshot) -> UrlObjects:
    """Return the objects. Raises ManifestError where one of a kind that only requests read does not decode."""
    edge, ingresses = Objects(), []
    for name in CLASSES:
        value = {"metadata": {"name": name}, "spec": {"controllerName": CONTROLLER_NAME}}
        edge.put("GatewayClass", msgspec.convert(value, _type("GatewayClass")))
    for one in snapshot.others:
        if one.kind in _EDGE:
            edge.put(one.kind[1], decoded(one.value, _EDGE[one.kind].type, one))
        elif one.kind == ("networking.k8s.io", "Ingress"):
            ingresses.append(decoded(one.value, INGRESSES.type, one))
    for name, labels in snapshot.namespaces.items():
        edge.put("Namespace", Namespace(metadata=ObjectMeta(name=name, labels=dict(labels))))
    for kind, objects in (("Service", snapshot.services), ("EndpointSlice", snapshot.slices)):
        for each in objects:
            edge.put(kind, each)
    proxies = {*map(proxy_name, edge.gateways.values()), *((INGRESS,) if ingresses else ())}
    pods = _pods(snapshot, sorted(proxies))
    _add_namespaces(edge, pods)
    for service in tuple(edge.services.values()):
        for piece in _slices(service, pods, edge):
            edge.put("EndpointSlice", piece)
    places = {Owner(kind, key.namespace, key.name): one.place for (kind, key), one in snapshot.manifests.items()}
    written = [one for one in snapshot.others if one.kind == ("networking.k8s.io", "IngressClass")]
    return UrlObjects(
        edge, pods, (), snapshot.policies, OUTSIDE, places, is_planned=True, ingresses=tuple(ingresses),
        ingress_classes=(*_CLASSES, *(decoded(one.value, INGRESS_CLASSES.type, one) for one in written)),
        serves_nginx=True, snapshot=snapshot,
    )  # fmt: skip


def _type(kind: str) -> type[Any]:
    found: type[Any] = next(one.type for one in KINDS if one.kind == kind)
    return found


def _pods(snapshot: Snapshot, proxies: Iterable[str]) -> tuple[Pod, ...]:
    """Return all pods, those of proxies too; one without an address gets one of the pod ranges."""
    envoys = (
        _pod(ObjectMeta(name=f"envoy-{name}", namespace=PROXIES, labels=fleet.labels(name)), PodSpec(), PodPlace(""))
        for name in proxies
    )
    found = [*(pod for one in snapshot.workloads for pod in _expanded(one)), *envoys]
    first = next(iter(snapshot.pod_ranges.networks))[1]
    return tuple(one if one.addresses else _addressed(one, str(first + number)) for number, one in enumerate(found))


def _expanded(one: Workload) -> Iterator[Pod]:
    """Yield the pods of a workload: those that exist, else as many as it has replicas."""
    owners = () if one.owner.kind == "Pod" else (OwnerReference(kind=one.owner.kind, name=one.name),)
    single = one.owner.kind == "Pod"
    made = (PodPlace(one.name if single else f"{one.name}-{number + 1}") for number in range(one.replicas))
    for place in one.pods or made:
        metadata = ObjectMeta(
            name=place.name, namespace=one.namespace, labels=dict(one.labels), owner_references=owners
        )
        yield _pod(metadata, one.spec, place)


def _pod(metadata: ObjectMeta, spec: PodSpec, place: PodPlace) -> Pod:
    addresses = tuple(PodIP(ip=one) for one in place.addresses)
    conditions = _READY if place.is_ready else ()
    phase = "Succeeded" if place.is_finished else "Running"
    return Pod(metadata=metadata, spec=spec, status=PodStatus(phase=phase, pod_ips=addresses, conditions=conditions))


def _addressed(pod: Pod, address: str) -> Pod:
    status = msgspec.structs.replace(pod.status, pod_ip=address, pod_ips=(PodIP(ip=address),))
    return msgspec.structs.replace(pod, status=status)


def _add_namespaces(edge: Objects, pods: Iterable[Pod]) -> None:
    """Namespaces that are used and not written are there, without labels of their own."""
    tables = (edge.gateways, edge.services, edge.reference_grants, edge.listener_sets)
    used = {key.namespace for table in tables for key in table} | {one.namespace for one in edge.routes}
    for name in {*used, *(one.metadata.namespace for one in pods)}:
        if NamespacedName("", name) not in edge.namespaces:
            edge.put("Namespace", Namespace(metadata=ObjectMeta(name=name, labels={NAME_LABEL: name})))


def _slices(service: Service, pods: Iterable[Pod], edge: Objects) -> Iterator[EndpointSlice]:
    """The slices of a Service with a selector; where slices of it are written, these are all."""
    selector = service.spec.selector
    if not selector or edge.slices_of(service.key):
        return
    chosen = [
        one for one in pods
        if one.metadata.namespace == service.metadata.namespace and selector.items() <= one.metadata.labels.items()
    ]  # fmt: skip
    for number, pod in enumerate(chosen):
        ports = [
            {"name": port.name, "protocol": port.protocol, "port": target}
            for port in service.spec.ports
            if (target := _target(port, pod)) is not None
        ]
        value = {
            "metadata": {
                "name": f"{service.metadata.name}-{number + 1}",
                "namespace": service.metadata.namespace,
                "labels": {SERVICE_NAME_LABEL: service.metadata.name},
            },
            "endpoints": [
                {
                    "addresses": list(pod.addresses),
                    "conditions": {"ready": pod.ready},
                    "targetRef": {"kind": "Pod", "namespace": pod.metadata.namespace, "name": pod.metadata.name},
                }
            ],
            "ports": ports,
        }
        yield msgspec.convert(value, EndpointSlice)


def _target(port: ServicePort, pod: Pod) -> int | None:
    """Return the number of the target port; None where no container has a port of its name."""
    wanted = port.target_port or port.port
    if isinstance(wanted, int):
        return wanted
    ports = (one for container in pod.spec.containers for one in container.ports)
    return next((one.container_port for one in ports if (one.name, one.protocol) == (wanted, port.protocol)), None)
