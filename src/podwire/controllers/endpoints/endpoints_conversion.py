"""The older Endpoints objects: what a Service's pods mean in them, and slices from hand-written ones. Pure.

Source: kubernetes `pkg/controller/endpoint/endpoints_controller.go`, `pkg/controller/endpointslicemirroring`. Each
Endpoints object holds the first family only, and at most 1000 addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.endpoints import from_pods, slice_packing
from podwire.kube.discovery import HEADLESS_LABEL, SERVICE_NAME_LABEL, Endpoint, EndpointConditions, EndpointPort
from podwire.kube.endpoints import EndpointAddress, EndpointsPort, EndpointSubset

if TYPE_CHECKING:
    from podwire.controllers.endpoints.from_pods import Ports
    from podwire.kube.core import Pod, Service
    from podwire.kube.endpoints import Endpoints

MANAGED_LABEL = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
SKIP_MIRROR_LABEL = "endpointslice.kubernetes.io/skip-mirror"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LEADER = "control-plane.alpha.kubernetes.io/leader"
MIRROR_MANAGER = "endpointslicemirroring-controller.k8s.io"
MOST_ADDRESSES = 1000


def subsets(service: Service, pods: Iterable[Pod]) -> tuple[EndpointSubset, ...]:
    """The subsets of the Service's first family: addresses together that have the same ports."""
    family = from_pods.families(service)[0]
    left = MOST_ADDRESSES
    found = []
    for ports, group in from_pods.wanted(service, pods, lambda _: "", family).items():
        if not ports and not service.headless:
            continue
        listed = [entry for entry in group if entry.conditions.ready or not entry.conditions.terminating][:left]
        left -= len(listed)
        subset = EndpointSubset(
            addresses=tuple(_address(entry) for entry in listed if entry.conditions.ready),
            not_ready_addresses=tuple(_address(entry) for entry in listed if not entry.conditions.ready),
            ports=tuple(_old_port(port) for port in ports),
        )
        if listed:
            found.append(subset)
    return tuple(found)


def labels(service: Service) -> dict[str, str]:
    """The Service's labels, who manages the object, and that it is not to be mirrored: its slices exist."""
    headless = {HEADLESS_LABEL: ""} if service.headless else {}
    return {**service.metadata.labels, **headless, MANAGED_LABEL: MANAGER, SKIP_MIRROR_LABEL: "true"}


def body(service: Service, wanted: tuple[EndpointSubset, ...]) -> dict[str, Any]:
    """The Endpoints object, without a version."""
    total = sum(len(subset.addresses) + len(subset.not_ready_addresses) for subset in wanted)
    annotations = {OVER_CAPACITY: "truncated"} if total >= MOST_ADDRESSES else {}
    return {
        "metadata": {
            "name": service.metadata.name,
            "namespace": service.metadata.namespace,
            "labels": labels(service),
            "annotations": annotations,
        },
        "subsets": [msgspec.to_builtins(subset) for subset in wanted],
    }


def stands(existing: Endpoints, service: Service, wanted: tuple[EndpointSubset, ...]) -> bool:
    """Whether the object says this already."""
    return existing.subsets == wanted and existing.metadata.labels == labels(service)


def mirrored(item: Endpoints, service: Service | None) -> bool:
    """Whether slices shall say the same: hand-written, for a Service without a selector."""
    if service is None or service.spec.selector or service.spec.type == "ExternalName":
        return False
    return item.metadata.labels.get(SKIP_MIRROR_LABEL) != "true" and LEADER not in item.metadata.annotations


def mirror(item: Endpoints) -> dict[str, dict[Ports, list[Endpoint]]]:
    """The endpoints by family and ports."""
    found: dict[str, dict[Ports, list[Endpoint]]] = {}
    left = MOST_ADDRESSES
    for subset in item.subsets:
        ports = tuple(_new_port(port) for port in subset.ports)
        for entries, ready in ((subset.addresses, True), (subset.not_ready_addresses, False)):
            for entry in entries[:left]:
                family = from_pods.usable_family(entry.ip)
                if family:
                    found.setdefault(family, {}).setdefault(ports, []).append(_endpoint(entry, ready=ready))
                    left -= 1
    return found


def mirror_labels(item: Endpoints) -> dict[str, str]:
    """The labels of slices that mirror it."""
    return {
        **item.metadata.labels,
        SERVICE_NAME_LABEL: item.metadata.name,
        slice_packing.MANAGED_BY_LABEL: MIRROR_MANAGER,
    }


def _address(entry: Endpoint) -> EndpointAddress:
    return EndpointAddress(
        ip=entry.addresses[0], hostname=entry.hostname, node_name=entry.node_name, target_ref=entry.target_ref
    )


def _endpoint(entry: EndpointAddress, *, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=(entry.ip,),
        conditions=EndpointConditions(ready=ready),
        hostname=entry.hostname,
        node_name=entry.node_name,
        target_ref=entry.target_ref,
    )


def _old_port(port: EndpointPort) -> EndpointsPort:
    return EndpointsPort(port=port.port or 0, name=port.name, protocol=port.protocol, app_protocol=port.app_protocol)


def _new_port(port: EndpointsPort) -> EndpointPort:
    return EndpointPort(name=port.name, protocol=port.protocol, port=port.port, app_protocol=port.app_protocol)
