"""The objects of files as a cluster would have them: defaults are filled in, and workloads have their pods. Pure.

Addresses that a cluster would assign are made up, of 198.18.0.0/15, and every pod is taken to be ready.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from podwire.edge.controller import fleet
from podwire.edge.gateway.gateway_proxy import proxy_name
from podwire.edge.gateway.kinds.all_kinds import KINDS
from podwire.edge.gateway.objects import Objects
from podwire.edge.gateway.owners import Owner
from podwire.edge.ingress.kinds import INGRESSES
from podwire.insight.sources.manifests import Manifest, ManifestError
from podwire.insight.url.objects import UrlObjects
from podwire.kube.core import Pod
from podwire.kube.discovery import SERVICE_NAME_LABEL, EndpointSlice
from podwire.kube.gateway_api import CLASSES, CONTROLLER_NAME, PROXIES
from podwire.kube.kinds import CONFIG_MAPS, ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, SECRETS, SERVICES, Kind
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service, ServicePort

CLUSTER_KINDS = frozenset(("GatewayClass", "Namespace", "Node"))
WORKLOADS = frozenset(("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job"))
OUTSIDE = ("203.0.113.1", "2001:db8::1")
"""Addresses of clients outside (RFC 5737 and 3849)."""
NAME_LABEL = "kubernetes.io/metadata.name"
_FIRST = ipaddress.IPv4Address("198.18.0.1")
_EDGE: Mapping[tuple[str, str], Kind[Any]] = {
    (one.api_version.rpartition("/")[0], one.kind): one
    for one in (*KINDS, SERVICES, ENDPOINT_SLICES, NAMESPACES, SECRETS, CONFIG_MAPS)
}
_READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def objects_of(manifests: Iterable[Manifest]) -> UrlObjects:
    """Return the objects. Raises ManifestError where one does not decode."""
    edge, places = Objects(), {}
    for name in CLASSES:
        _put(edge, "GatewayClass", {"metadata": {"name": name}, "spec": {"controllerName": CONTROLLER_NAME}}, "")
    pods, policies, ingresses = _Pods(), [], []
    for one in manifests:
        value = _completed(one)
        if one.kind in _EDGE:
            owner = _put(edge, one.kind[1], value, one.place)
            places[owner] = one.place
        elif one.kind == ("networking.k8s.io", "NetworkPolicy"):
            policies.append(_decoded(value, NETWORK_POLICIES.type, one.place))
        elif one.kind == ("networking.k8s.io", "Ingress"):
            ingresses.append(_decoded(value, INGRESSES.type, one.place))
        elif one.kind == ("", "Pod"):
            pods.add(value, one.place)
        elif one.kind[1] in WORKLOADS:
            pods.add_workload(value, one.kind[1], one.place)
    for name in sorted(set(map(proxy_name, edge.gateways.values()))):
        pods.add({"metadata": {"name": f"envoy-{name}", "namespace": PROXIES, "labels": fleet.labels(name)}}, "")
    _add_namespaces(edge, pods.found)
    for service in tuple(edge.services.values()):
        for piece in _slices(service, pods.found, edge):
            edge.put("EndpointSlice", piece)
    return UrlObjects(
        edge, tuple(pods.found), (), tuple(policies), OUTSIDE, places, is_planned=True, ingresses=tuple(ingresses)
    )


class _Pods:
    """Pods with made-up addresses."""

    def __init__(self) -> None:
        self.found: list[Pod] = []

    def add(self, value: Mapping[str, Any], place: str) -> None:
        """Add a pod that runs and is ready."""
        address = str(_FIRST + len(self.found))
        status = {**_READY, "podIP": address, "podIPs": [{"ip": address}]}
        self.found.append(_decoded({"spec": {}, **value, "status": status}, Pod, place))

    def add_workload(self, value: Mapping[str, Any], kind: str, place: str) -> None:
        """Add the pods of a workload: as many as it has replicas."""
        spec = value.get("spec") or {}
        template, replicas = spec.get("template") or {}, spec.get("replicas", 1)
        metadata = value["metadata"]
        for number in range(replicas if isinstance(replicas, int) else 1):
            own = {
                "name": f"{metadata['name']}-{number + 1}",
                "namespace": metadata["namespace"],
                "labels": (template.get("metadata") or {}).get("labels") or {},
                "ownerReferences": [{"kind": kind, "name": metadata["name"]}],
            }
            self.add({"metadata": own, "spec": template.get("spec") or {}}, place)


def _put(edge: Objects, kind: str, value: Mapping[str, Any], place: str) -> Owner:
    group = {one: other for other, one in _EDGE}
    decoded = _decoded(value, _EDGE[group[kind], kind].type, place)
    edge.put(kind, decoded)
    return Owner(kind, decoded.key.namespace, decoded.key.name)


def _completed(one: Manifest) -> dict[str, Any]:
    """Return the object with its namespace, the labels of a namespace, and a Secret's texts as data."""
    value = dict(one.value)
    metadata = dict(value.get("metadata") or {})
    name = metadata.get("name") or metadata.get("generateName")
    if not name:
        raise ManifestError(f"{one.place}: {one.kind[1]} needs metadata.name: add it")
    metadata["name"] = name
    if one.kind[1] not in CLUSTER_KINDS:
        metadata["namespace"] = metadata.get("namespace") or "default"
    if one.kind == ("", "Namespace"):
        metadata["labels"] = {NAME_LABEL: name, **(metadata.get("labels") or {})}
    value["metadata"] = metadata
    if one.kind == ("", "Secret"):
        texts = value.get("stringData") or {}
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
        value["data"] = {**(value.get("data") or {}), **encoded}
    value.pop("status", None)
    return value


def _decoded(value: Mapping[str, Any], type_: Any, place: str) -> Any:
    try:
        return msgspec.convert(_without_absent(value), type_)
    except msgspec.ValidationError as error:
        raise ManifestError(f"{place}: {value.get('kind', 'object')}: {error}") from None


def _without_absent(value: Any) -> Any:
    """Leave out fields without a value, as the API does."""
    if isinstance(value, Mapping):
        return {str(key): _without_absent(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_absent(one) for one in value]
    return value


def _add_namespaces(edge: Objects, pods: Iterable[Pod]) -> None:
    """Namespaces that are used and not written are there, without labels of their own."""
    tables = (edge.gateways, edge.services, edge.reference_grants, edge.listener_sets)
    used = {key.namespace for table in tables for key in table} | {one.namespace for one in edge.routes}
    for name in {*used, *(one.metadata.namespace for one in pods)}:
        if NamespacedName("", name) not in edge.namespaces:
            _put(edge, "Namespace", {"metadata": {"name": name, "labels": {NAME_LABEL: name}}}, "")


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
