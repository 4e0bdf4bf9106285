"""The objects of a Gateway: its Service of type LoadBalancer, and the EndpointSlices that lead to Envoys. Pure.

The Service has no selector, as the Envoys of a proxy serve Gateways of all namespaces. Source: GEP-1762 (names and
labels of generated objects).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from podwire.kube.backend_choice import TrafficPolicy
from podwire.kube.core import Pod
from podwire.kube.discovery import SERVICE_NAME_LABEL
from podwire.kube.gateway_api import CONTROLLER_NAME, GROUP
from podwire.kube.meta import NamespacedName
from podwire.kube.services import BALANCER_IPS

GATEWAY_LABEL = f"{GROUP}/gateway-name"
CLASS_LABEL = f"{GROUP}/gateway-class-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
LONGEST_NAME = 63

Ports = Mapping[tuple[int, str], int]
"""The port of Envoy for each port and protocol of a Gateway."""


class GatewayFront(msgspec.Struct, frozen=True):
    """What of a Gateway its Service is made from. `addresses`: those that it must have; empty: any of each family."""

    key: NamespacedName
    uid: str
    gateway_class: str
    ports: Ports
    addresses: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    external_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER


def name_of(front: GatewayFront) -> NamespacedName:
    """Return the name of the Service: that of the Gateway with its class (GEP-1762), shortened where it is too long."""
    name = f"{front.key.name}-{front.gateway_class}"
    if len(name) > LONGEST_NAME or "." in name:
        digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
        name = f"{name.replace('.', '-')[: LONGEST_NAME - 9].rstrip('-')}-{digest}"
    return NamespacedName(front.key.namespace, name if name[0].isalpha() else f"gw-{name}"[:LONGEST_NAME])


def service(front: GatewayFront) -> dict[str, Any]:
    """Return the Service."""
    ports = [
        {"name": _port_name(port, protocol), "port": port, "protocol": protocol, "targetPort": envoy_port}
        for (port, protocol), envoy_port in sorted(front.ports.items())
    ]
    spec: dict[str, Any] = {
        "type": "LoadBalancer",
        "allocateLoadBalancerNodePorts": False,
        "externalTrafficPolicy": str(front.external_traffic_policy),
        "ports": ports,
    }
    metadata = _metadata(front, name_of(front).name, {})
    if front.addresses:
        spec["loadBalancerIP"] = front.addresses[0]
    if len(front.addresses) > 1:  # more than the field can hold
        metadata.setdefault("annotations", {})[BALANCER_IPS] = ",".join(front.addresses)
    return {"metadata": metadata, "spec": spec | _families(front)}


def only_family(front: GatewayFront) -> str:
    """Return the one family that the Service must have; empty where it has both or any."""
    found = {"IPv6" if ":" in one else "IPv4" for one in front.addresses}
    return found.pop() if len(found) == 1 else ""


def slices(front: GatewayFront, pods: Iterable[Pod]) -> dict[str, dict[str, Any]]:
    """Return the EndpointSlices by name: one for each family of addresses that the pods have."""
    found: dict[str, list[dict[str, Any]]] = {"IPv4": [], "IPv6": []}
    for pod in sorted(pods, key=lambda one: one.metadata.name):
        for address in pod.status.pod_ips:
            family = "IPv6" if ":" in address.ip else "IPv4"
            found[family].append(_endpoint(pod, address.ip))
    service_name = name_of(front).name
    ports = [
        {"name": _port_name(port, protocol), "protocol": protocol, "port": envoy_port}
        for (port, protocol), envoy_port in sorted(front.ports.items())
    ]
    own = {SERVICE_NAME_LABEL: service_name, MANAGED_BY_LABEL: CONTROLLER_NAME.replace("/", ".")}
    return {
        f"{service_name}-{family.lower()}": {
            "metadata": _metadata(front, f"{service_name}-{family.lower()}", own),
            "addressType": family,
            "endpoints": endpoints,
            "ports": ports,
        }
        for family, endpoints in found.items()
    }


def is_ready(pod: Pod) -> bool:
    """Whether the pod's readiness probe succeeds."""
    return any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions)


def _families(front: GatewayFront) -> dict[str, Any]:
    if only := only_family(front):
        return {"ipFamilyPolicy": "SingleStack", "ipFamilies": [only]}
    return {"ipFamilyPolicy": "RequireDualStack" if front.addresses else "PreferDualStack"}


def _endpoint(pod: Pod, address: str) -> dict[str, Any]:
    ready, ends = is_ready(pod), pod.metadata.deletion_timestamp is not None
    return {
        "addresses": [address],
        "conditions": {"ready": ready and not ends, "serving": ready, "terminating": ends},
        "nodeName": pod.spec.node_name,
        "targetRef": {
            "kind": "Pod",
            "namespace": pod.metadata.namespace,
            "name": pod.metadata.name,
            "uid": pod.metadata.uid,
        },
    }


def _port_name(port: int, protocol: str) -> str:
    return f"{protocol.lower()}-{port}"


def _metadata(front: GatewayFront, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    owner = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Gateway",
        "name": front.key.name,
        "uid": front.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    own = {GATEWAY_LABEL: front.key.name, CLASS_LABEL: front.gateway_class, **labels}
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": front.key.namespace,
        "labels": {**front.labels, **own},
        "ownerReferences": [owner],
    }
    if front.annotations:
        metadata["annotations"] = dict(front.annotations)
    return metadata
