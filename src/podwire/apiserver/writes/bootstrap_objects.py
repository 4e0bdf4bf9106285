"""The objects that every cluster has at its start, and every namespace at its creation. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from podwire.apiserver.storage.revisions import Key
from podwire.apiserver.validation.records import SYSTEM_PRIORITIES
from podwire.apiserver.writes.metadata import complete_new

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from podwire.apiserver.kinds.resources import Registry, Resource
    from podwire.apiserver.writes.admission import Admission, Write

Object = dict[str, Any]

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
SERVICE_LABELS = {"component": "apiserver", "provider": "kubernetes"}
PORT_NAME = "https"


def namespaces(roles: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of those that every cluster has, and of those that these roles grant something in."""
    granted = (role["metadata"].get("namespace") for role in roles)
    return tuple(dict.fromkeys((*NAMESPACES, *filter(None, granted))))


def namespace(name: str) -> Object:
    """A namespace with nothing but its name."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def priority_classes() -> list[Object]:
    """The classes of pods that a cluster cannot do without."""
    texts = {
        "system-node-critical": "Used for system critical pods that must not be moved from their current node.",
        "system-cluster-critical": "Used for system critical pods that must run in the cluster, but can be moved to "
        "another node if necessary.",
    }
    return [
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": name},
            "value": SYSTEM_PRIORITIES[name],
            "description": text,
        }
        for name, text in texts.items()
    ]


def ingress_class(name: str, controller: str) -> Object:
    """An IngressClass of the controller."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": name},
        "spec": {"controller": controller},
    }


def service(cluster_addresses: Sequence[str], target_port: int) -> Object:
    """Service default/kubernetes, by which pods reach this server."""
    families = [f"IPv{ipaddress.ip_address(one).version}" for one in cluster_addresses]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": dict(SERVICE_LABELS)},
        "spec": {
            "clusterIP": cluster_addresses[0],
            "clusterIPs": list(cluster_addresses),
            "ipFamilies": families,
            "ipFamilyPolicy": "RequireDualStack" if len(families) > 1 else "SingleStack",
            "ports": [{"name": PORT_NAME, "port": 443, "protocol": "TCP", "targetPort": target_port}],
        },
    }


def service_cidr(name: str, ranges: Sequence[str]) -> Object:
    """The ServiceCIDR of the ranges that the cluster was started with."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": name},
        "spec": {"cidrs": list(ranges)},
    }


def endpoints(endpoint_addresses: Sequence[str], port: int) -> Object:
    """The Endpoints of default/kubernetes, of the first address's family; its slices are written beside it."""
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {
                "addresses": [{"ip": endpoint_addresses[0]}],
                "ports": [{"name": PORT_NAME, "port": port, "protocol": "TCP"}],
            }
        ],
    }


def endpoint_slices(endpoint_addresses: Sequence[str], port: int) -> list[Object]:
    """The EndpointSlices of default/kubernetes, one for each family; upstream names the first like the Service."""
    return [_endpoint_slice(place, address, port) for place, address in enumerate(endpoint_addresses)]


def _endpoint_slice(place: int, address: str, port: int) -> Object:
    family = f"IPv{ipaddress.ip_address(address).version}"
    name = "kubernetes" if place == 0 else f"kubernetes-{family.lower()}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": family,
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": PORT_NAME, "port": port, "protocol": "TCP"}],
    }


def namespace_contents(registry: Registry, authority: str, clock: Callable[[], datetime]) -> Admission:
    """Give a new namespace its default ServiceAccount and the authority's certificate, in the same write."""
    accounts = registry.find("", "v1", "serviceaccounts")
    config_maps = registry.find("", "v1", "configmaps")

    def admit(write: Write) -> None:
        if write.resource.storage != "namespaces" or write.old is not None:
            return
        name = write.obj["metadata"]["name"]
        desired: tuple[tuple[Resource | None, str, Object], ...] = (
            (accounts, "default", {}),
            (config_maps, "kube-root-ca.crt", {"data": {"ca.crt": authority}}),
        )
        for resource, own_name, content in desired:
            if resource is None:
                continue
            obj: Object = {"apiVersion": "v1", "kind": resource.kind, "metadata": {"name": own_name, "namespace": name}}
            complete_new(resource, obj, clock())
            write.transaction.put(Key(resource.storage, name, own_name), {**obj, **content})

    return admit
