"""Settings and clusters that the tests of this folder start from."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.install.detection import Cluster
from podwire.install.settings import Settings
from podwire.kube.apps import DaemonSet
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.networking import ServiceCIDR
from podwire.kube.services import Service

SETTINGS = Settings(
    image="podwire:0.1.0",
    version="0.1.0",
    server="https://192.0.2.10:6443",
    pod_cidrs=("10.244.0.0/16", "fd00:10:244::/56"),
    service_cidrs=("10.96.0.0/16", "fd00:10:96::/112"),
    dns_addresses=("10.96.0.10", "fd00:10:96::a"),
)


def node(name: str, *ranges: str) -> Node:
    return msgspec.convert({"metadata": {"name": name}, "spec": {"podCIDRs": ranges}}, Node)


def daemon_set(name: str, labels: dict[str, str] | None = None, **pod: Any) -> DaemonSet:
    metadata = {"name": name, "namespace": "kube-system", "labels": labels or {}}
    return msgspec.convert({"metadata": metadata, "spec": {"template": {"spec": pod}}}, DaemonSet)


def dns_service(labels: dict[str, str], *addresses: str) -> Service:
    metadata = {"name": "kube-dns", "namespace": "kube-system", "labels": labels}
    return msgspec.convert({"metadata": metadata, "spec": {"clusterIPs": addresses}}, Service)


def cluster(**changes: Any) -> Cluster:
    """A cluster that has no configuration but its objects."""
    ranges = msgspec.convert({"spec": {"cidrs": ["10.96.0.0/16", "fd00:10:96::/112"]}}, ServiceCIDR)
    slices = msgspec.convert(
        {"endpoints": [{"addresses": ["192.0.2.10"]}], "ports": [{"name": "https", "port": 6443}]}, EndpointSlice
    )
    values: dict[str, Any] = {
        "nodes": (node("a", "10.244.1.0/24", "fd00:10:244:1::/64"), node("b", "10.244.2.0/24", "fd00:10:244:2::/64")),
        "service_cidrs": (ranges,),
        "api_servers": (slices,),
        "kubeconfig": "https://127.0.0.1:1",
    }
    return Cluster(**{**values, **changes})
