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
from podwire.insight.snapshot import expansion
from podwire.insight.snapshot.snapshot import Snapshot
from podwire.insight.snapshot.workload import PodPlace
from podwire.insight.snapshot.written import NAME_LABEL, decoded
from podwire.insight.url.objects import UrlObjects
from podwire.kube.core import Namespace, Pod, PodSpec
from podwire.kube.gateway_api import CLASSES, CONTROLLER_NAME, PROXIES
from podwire.kube.ingress import CLASSES as CLASSES_OF_INGRESSES
from podwire.kube.kinds import CONFIG_MAPS, SECRETS, Kind
from podwire.kube.meta import NamespacedName, ObjectMeta

OUTSIDE = ("203.0.113.1", "2001:db8::1")
"""Addresses of clients outside (RFC 5737 and 3849)."""
_EDGE: Mapping[tuple[str, str], Kind[Any]] = {
    (one.api_version.rpartition("/")[0], one.kind): one for one in (*KINDS, SECRETS, CONFIG_MAPS)
}
_CLASSES = tuple(
    IngressClass(metadata=ObjectMeta(name=name), spec=IngressClassSpec(controller=controller))
    for name, controller in CLASSES_OF_INGRESSES
)


def objects_of(snapshot: Snapshot) -> UrlObjects:
    """Return the objects. Raises ManifestError where one of a kind that only requests read does not decode."""
    edge, ingresses = Objects(), []
    for name in CLASSES if snapshot.serves_nginx else ():
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
    pods = expansion.pods(snapshot, _envoys(sorted(proxies)))
    _add_namespaces(edge, pods)
    for service in tuple(edge.services.values()):
        for piece in () if edge.slices_of(service.key) else expansion.slices(service, pods):
            edge.put("EndpointSlice", piece)
    places = {Owner(kind, key.namespace, key.name): one.place for (kind, key), one in snapshot.manifests.items()}
    written = [one for one in snapshot.others if one.kind == ("networking.k8s.io", "IngressClass")]
    classes = tuple(decoded(one.value, INGRESS_CLASSES.type, one) for one in written)
    return UrlObjects(
        edge, pods, (), snapshot.policies, OUTSIDE, places, is_planned=True, ingresses=tuple(ingresses),
        ingress_classes=(*_CLASSES, *classes) if snapshot.is_planned else classes,
        serves_nginx=snapshot.serves_nginx, snapshot=snapshot, cluster_policies=snapshot.cluster_policies,
        mesh=snapshot.mesh,
    )  # fmt: skip


def _type(kind: str) -> type[Any]:
    found: type[Any] = next(one.type for one in KINDS if one.kind == kind)
    return found


def _envoys(proxies: Iterable[str]) -> Iterator[Pod]:
    for name in proxies:
        metadata = ObjectMeta(name=f"envoy-{name}", namespace=PROXIES, labels=fleet.labels(name))
        yield expansion.pod_of(metadata, PodSpec(), PodPlace(""))


def _add_namespaces(edge: Objects, pods: Iterable[Pod]) -> None:
    """Namespaces that are used and not written are there, without labels of their own."""
    tables = (edge.gateways, edge.services, edge.reference_grants, edge.listener_sets)
    used = {key.namespace for table in tables for key in table} | {one.namespace for one in edge.routes}
    for name in {*used, *(one.metadata.namespace for one in pods)}:
        if NamespacedName("", name) not in edge.namespaces:
            edge.put("Namespace", Namespace(metadata=ObjectMeta(name=name, labels={NAME_LABEL: name})))
