"""Endpoints objects: from the pods of a Service, and to EndpointSlices where they are hand-written. Pure.

Source: kubernetes `pkg/controller/endpoint/endpoints_controller.go`, `pkg/controller/endpointslicemirroring`. Each
Endpoints object holds the first family only, and at most 1000 addresses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.controllers.endpoints import from_pods, slice_packing
from podwire.controllers.endpoints.trigger_times import TRIGGER_TIME, with_trigger_time
from podwire.kube.discovery import HEADLESS_LABEL, SERVICE_NAME_LABEL, Endpoint, EndpointConditions, EndpointPort
from podwire.kube.endpoints import EndpointAddress, EndpointsPort, EndpointSubset

if TYPE_CHECKING:
    from podwire.controllers.endpoints.from_pods import Ports
    from podwire.kube.core import Pod
    from podwire.kube.endpoints import Endpoints
    from podwire.kube.services import Service

MANAGED_LABEL = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
SKIP_MIRROR_LABEL = "endpointslice.kubernetes.io/skip-mirror"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LEADER = "control-plane.alpha.kubernetes.io/leader"
MIRROR_MANAGER = "endpointslicemirroring-controller.k8s.io"
MOST_ADDRESSES = 1000
NOT_MIRRORED = frozenset({TRIGGER_TIME, "kubectl.kubernetes.io/last-applied-configuration"})
"""Annotations of Endpoints that their slices do not have."""


class Content(msgspec.Struct, frozen=True):
    """What an Endpoints object holds: its subsets, and whether addresses were left out."""

    subsets: tuple[EndpointSubset, ...]
    truncated: bool = False

    @property
    def annotations(self) -> dict[str, str]:
        """The annotation of an object that holds not all addresses."""
        return {OVER_CAPACITY: "truncated"} if self.truncated else {}


def content(service: Service, pods: Iterable[Pod]) -> Content:
    """Return the subsets of the Service's first family: addresses together that have the same ports.

    Where there are too many addresses, ready ones are kept before others.
    """
    family = from_pods.families(service)[0]
    groups = {
        ports: [entry for entry in group if entry.conditions.ready or not entry.conditions.terminating]
        for ports, group in from_pods.desired(service, pods, lambda _: "", family).items()
        if ports or service.headless
    }
    ready_room = MOST_ADDRESSES
    other_room = MOST_ADDRESSES - sum(bool(entry.conditions.ready) for group in groups.values() for entry in group)
    found = []
    for ports, group in groups.items():
        ready = [_address(entry) for entry in group if entry.conditions.ready][: max(0, ready_room)]
        others = [_address(entry) for entry in group if not entry.conditions.ready][: max(0, other_room)]
        ready_room -= len(ready)
        other_room -= len(others)
        if ready or others:
            found.append(
                EndpointSubset(
                    addresses=tuple(ready), not_ready_addresses=tuple(others), ports=tuple(map(_old_port, ports))
                )
            )
    return Content(tuple(found), truncated=sum(map(len, groups.values())) > MOST_ADDRESSES)


def labels(service: Service) -> dict[str, str]:
    """Return the Service's labels, whether it is headless, and the controller that manages the object."""
    own = {key: value for key, value in service.metadata.labels.items() if key != HEADLESS_LABEL}
    headless = {HEADLESS_LABEL: ""} if service.headless else {}
    return {**own, **headless, MANAGED_LABEL: MANAGER}


def body(service: Service, desired: Content, time: str = "") -> dict[str, Any]:
    """Return the Endpoints object as JSON, without a version; `time` is the trigger time, empty for none."""
    return {
        "metadata": {
            "name": service.metadata.name,
            "namespace": service.metadata.namespace,
            "labels": labels(service),
            "annotations": with_trigger_time(desired.annotations, time),
        },
        "subsets": [msgspec.to_builtins(subset) for subset in desired.subsets],
    }


def matches(existing: Endpoints, service: Service, desired: Content) -> bool:
    """Return whether the object holds this content already."""
    truncated = existing.metadata.annotations.get(OVER_CAPACITY)
    return (
        existing.subsets == desired.subsets
        and existing.metadata.labels == labels(service)
        and truncated == desired.annotations.get(OVER_CAPACITY)
    )


def mirrored(item: Endpoints, service: Service | None) -> bool:
    """Return whether the object is mirrored: hand-written, for a Service without a selector."""
    if service is None or service.spec.selector or service.spec.type == "ExternalName":
        return False
    return item.metadata.labels.get(SKIP_MIRROR_LABEL) != "true" and LEADER not in item.metadata.annotations


class Mirror(msgspec.Struct, frozen=True):
    """What the slices of hand-written Endpoints hold, by family and ports, and how many addresses were left out."""

    endpoints: dict[str, dict[Ports, list[Endpoint]]]
    invalid: int = 0
    excess: int = 0


def mirror(item: Endpoints) -> Mirror:
    """Return the endpoints of the object, at most MOST_ADDRESSES of all subsets with the same ports."""
    found: dict[str, dict[Ports, dict[str, Endpoint]]] = {}
    taken: Counter[Ports] = Counter()
    invalid = excess = 0
    for ready in (True, False):
        for subset in item.subsets:
            ports = tuple(_new_port(port) for port in subset.ports)
            for entry in subset.addresses if ready else subset.not_ready_addresses:
                family = from_pods.usable_family(entry.ip)
                if not family:
                    invalid += 1
                elif entry.ip in found.get(family, {}).get(ports, {}):
                    continue
                elif taken[ports] >= MOST_ADDRESSES:
                    excess += 1
                else:
                    taken[ports] += 1
                    found.setdefault(family, {}).setdefault(ports, {})[entry.ip] = _endpoint(entry, ready=ready)
    groups = {family: {ports: list(g.values()) for ports, g in by_ports.items()} for family, by_ports in found.items()}
    return Mirror(groups, invalid, excess)


def mirror_annotations(item: Endpoints) -> dict[str, str]:
    """Return the annotations of slices that mirror it."""
    return {key: value for key, value in item.metadata.annotations.items() if key not in NOT_MIRRORED}


def mirror_labels(item: Endpoints) -> dict[str, str]:
    """Return the labels of slices that mirror it."""
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
