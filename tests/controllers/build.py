"""Small objects for tables of tests."""

from __future__ import annotations

from typing import Any

import msgspec

from podwire.kube.apps import DaemonSet, Deployment, ReplicaSet, StatefulSet
from podwire.kube.batch import Job
from podwire.kube.core import Node, Pod
from podwire.kube.services import Service

READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def pod(name: str = "p", namespace: str = "shop", **changes: Any) -> Pod:
    """A running, ready pod with label app=web at 10.244.1.5; `ready=False`, `node`, `labels`, `ips`... change it."""
    ips = changes.pop("ips", ["10.244.1.5"])
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "labels": changes.pop("labels", {"app": "web"}),
        "creationTimestamp": changes.pop("created", "2026-01-01T00:00:00Z"),
        "resourceVersion": "1",
        **changes.pop("metadata", {}),
    }
    if changes.pop("ending", False):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {
        "phase": changes.pop("phase", "Running"),
        "podIPs": [{"ip": ip} for ip in ips],
        "conditions": [READY] if changes.pop("ready", True) else [],
    }
    spec = {"nodeName": changes.pop("node", "node-1"), **changes.pop("spec", {})}
    assert not changes, changes
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, Pod)


def replica_set(replicas: int = 1, name: str = "web-1", **changes: Any) -> ReplicaSet:
    """A ReplicaSet of app=web pods; `available` sets all counts of its status."""
    available = changes.pop("available", 0)
    metadata = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "generation": 1}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": changes.pop("template", {"metadata": {"labels": {"app": "web"}}, "spec": {}}),
        **changes.pop("spec", {}),
    }
    status = {"replicas": changes.pop("pods", available), "availableReplicas": available, "readyReplicas": available}
    body = {"metadata": {**metadata, **changes.pop("metadata", {})}, "spec": spec, "status": status}
    assert not changes, changes
    return msgspec.convert(body, ReplicaSet)


def deployment(replicas: int = 3, **changes: Any) -> Deployment:
    """A Deployment of app=web pods; further arguments are fields of its spec."""
    status = changes.pop("status", {})
    metadata = {"name": "web", "namespace": "shop", "uid": "uid-web", "generation": 1, **changes.pop("metadata", {})}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {}},
        **changes,
    }
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": status}, Deployment)


def stateful_set(replicas: int = 3, **changes: Any) -> StatefulSet:
    """StatefulSet db of app=web pods; further arguments are fields of its spec."""
    return msgspec.convert(_workload("db", {"replicas": replicas, **changes}), StatefulSet)


def daemon_set(**changes: Any) -> DaemonSet:
    """DaemonSet log of app=web pods; further arguments are fields of its spec."""
    return msgspec.convert(_workload("log", changes), DaemonSet)


def job(**changes: Any) -> Job:
    """Job sum of app=web pods; further arguments are fields of its spec."""
    return msgspec.convert(_workload("sum", changes), Job)


def _workload(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    status = changes.pop("status", {})
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "generation": 1,
        **changes.pop("metadata", {}),
    }
    spec = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {}},
        **changes,
    }
    return {"metadata": metadata, "spec": spec, "status": status}


def node(name: str, *taints: dict[str, str], ready: bool = True, cordoned: bool = False, **labels: str) -> Node:
    """A node with Ready condition."""
    fields = node_fields(name, ready=ready, cordoned=cordoned, **labels)
    fields["spec"]["taints"] = taints
    return msgspec.convert(fields, Node)


def node_fields(name: str, *, ready: bool = True, cordoned: bool = False, **labels: str) -> dict[str, Any]:
    """A node as JSON."""
    return {
        "metadata": {"name": name, "labels": {key.replace("_", "/"): value for key, value in labels.items()}},
        "spec": {"unschedulable": cordoned},
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def service(**spec: Any) -> Service:
    """Service web of app=web pods, port 80."""
    labels = spec.pop("labels", {})
    whole = {"selector": {"app": "web"}, "ports": [{"port": 80}], "clusterIP": "10.96.0.5", **spec}
    metadata = {"name": "web", "namespace": "shop", "uid": "uid-service", "labels": labels}
    return msgspec.convert({"metadata": metadata, "spec": whole}, Service)
