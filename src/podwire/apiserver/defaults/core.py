"""Kinds of the core group. Source: k8s.io/kubernetes `pkg/apis/core/v1/defaults.go`, `conversion.go`."""

from __future__ import annotations

import base64
from typing import Any

from podwire.apiserver.defaults import pods

Object = dict[str, Any]

AFFINITY_SECONDS = 10800
NAME_LABEL = "kubernetes.io/metadata.name"


def service(obj: Object) -> None:
    """A Service without its addresses and node ports, which the allocator sets."""
    spec = obj.setdefault("spec", {})
    kind = spec.setdefault("type", "ClusterIP")
    if spec.setdefault("sessionAffinity", "None") == "ClientIP":
        config = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        config.setdefault("timeoutSeconds", AFFINITY_SECONDS)
    elif spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    for port in spec.get("ports", ()):
        port.setdefault("protocol", "TCP")
        if not port.get("targetPort") and "port" in port:
            port["targetPort"] = port["port"]
    if kind in {"NodePort", "LoadBalancer"} or (kind == "ClusterIP" and spec.get("externalIPs")):
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if kind != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if kind == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for point in obj.get("status", {}).get("loadBalancer", {}).get("ingress", ()):
            if point.get("ip"):
                point.setdefault("ipMode", "VIP")


def pod(obj: Object) -> None:
    """A Pod; on the host's network, container ports are host ports."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("enableServiceLinks", True)
    pods.spec(spec)
    if spec.get("hostNetwork"):
        for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
            for port in container.get("ports", ()):
                if not port.get("hostPort") and "containerPort" in port:
                    port["hostPort"] = port["containerPort"]


def pod_template(obj: Object) -> None:
    """A PodTemplate."""
    pods.template(obj)


def replication_controller(obj: Object) -> None:
    """A ReplicationController takes selector and labels from its template."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    pods.template(spec)
    labels = spec.get("template", {}).get("metadata", {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)


def namespace(obj: Object) -> None:
    """A Namespace carries its name as a label, so that selectors can name it."""
    name = obj.setdefault("metadata", {}).get("name")
    if name:
        labels = obj["metadata"].setdefault("labels", {})
        labels.setdefault(NAME_LABEL, name)


def secret(obj: Object) -> None:
    """A Secret; `stringData` is folded into `data` and is never stored."""
    obj.setdefault("type", "Opaque")
    for key, text in obj.pop("stringData", {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def node(obj: Object) -> None:
    """A Node; `podCIDR` is the first of `podCIDRs`."""
    spec = obj.setdefault("spec", {})
    if spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]
    elif spec.get("podCIDR"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    status = obj.get("status", {})
    if status.get("capacity"):
        status.setdefault("allocatable", dict(status["capacity"]))


def endpoints(obj: Object) -> None:
    """An Endpoints object."""
    for subset in obj.get("subsets", ()):
        for port in subset.get("ports", ()):
            port.setdefault("protocol", "TCP")
