"""The objects of a large cluster as its API server stores them: nodes, pods with their states, Services, policies.

One object of each kind is made through the API, as controllers and kubelets do, with all defaults and `managedFields`;
the others are copies of it with names, addresses, labels and nodes of their own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bench import api_objects
from bench.kube_api_server import Api

Object = dict[str, Any]
Entry = tuple[str, Object]
"""The key in the store, and the object."""

TIERS = ("web", "api", "db")
READY_SECONDS = "2026-01-01T12:00:00Z"


@dataclass(frozen=True)
class Size:
    """How large the cluster is. Pods are spread over nodes and namespaces; each Service has its own Deployment."""

    nodes: int
    services: int
    endpoints: int
    """Pods of each Service, all ready."""

    namespaces: int
    policies: int
    own: int
    """Of the pods, those of node-1."""

    @property
    def pods(self) -> int:
        """All pods."""
        return self.services * self.endpoints

    def node_of(self, pod: int) -> int:
        """The first ones are on node-1, the others on all others in turn."""
        return 1 if pod < self.own else 2 + pod % (self.nodes - 1)


class Templates:
    """One stored object of each kind, made through the API."""

    def __init__(self, api: Api) -> None:
        api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": api_objects.NAMESPACE}})
        made = api.ask("POST", api_objects.PODS, api_objects.pod(0) | {"spec": _spec()})
        path = f"{api_objects.PODS}/{made['metadata']['name']}"
        self.created: Object = made
        status = made | {"status": api_objects.running_status(0) | {"qosClass": "Burstable"}}
        self.pod: Object = api.ask("PUT", f"{path}/status?fieldManager=kubelet", status)
        api.ask("DELETE", path, {"gracePeriodSeconds": 0})
        root = "/api/v1/namespaces/bench/services"
        self.service: Object = api.ask("POST", root, _service())
        api.ask("DELETE", f"{root}/{self.service['metadata']['name']}")
        root = "/apis/discovery.k8s.io/v1/namespaces/bench/endpointslices"
        self.slice: Object = api.ask("POST", root, _slice())
        api.ask("DELETE", f"{root}/{self.slice['metadata']['name']}")
        node = api.ask("POST", "/api/v1/nodes", {"metadata": {"name": "template", "labels": _node_labels(0)}})
        self.node: Object = api.ask(
            "PUT", "/api/v1/nodes/template/status?fieldManager=kubelet", node | {"status": _node_status()}
        )
        api.ask("DELETE", "/api/v1/nodes/template")


class Cluster:
    """Makes the objects of a cluster of this size."""

    def __init__(self, size: Size, templates: Templates) -> None:
        self.size = size
        self._templates = templates

    def everything(self) -> Iterator[Entry]:
        """All objects."""
        size = self.size
        for number in range(size.namespaces):
            yield _namespace(number)
        for number in range(1, size.nodes + 1):
            yield self._node(number)
        for number in range(size.services):
            yield self._service(number)
            yield self.slice(number)
        for number in range(size.pods):
            yield self.pod(number)
        for number in range(size.policies):
            yield _policy(number, size.namespaces)

    def namespace_of(self, pod: int) -> str:
        """That of the pod's Service."""
        return f"team-{pod // self.size.endpoints % self.size.namespaces}"

    def address(self, pod: int, life: int = 0) -> str:
        """The pod's address in its so manieth life."""
        number = pod + life * self.size.pods
        return f"10.{128 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"

    def pod_key(self, pod: int, life: int = 0) -> str:
        """The key of a pod in the store."""
        return f"/registry/pods/{self.namespace_of(pod)}/{self._pod_name(pod, life)}"

    def pod(self, pod: int, life: int = 0, state: str = "ready") -> Entry:
        """A pod in a state of its life: created, bound, started, ready, ending or ended."""
        made: Object = {**(self._templates.created if state in {"created", "bound"} else self._templates.pod)}
        service = pod // self.size.endpoints
        name = self._pod_name(pod, life)
        made["metadata"] = made["metadata"] | {
            "name": name,
            "namespace": self.namespace_of(pod),
            "uid": _uid(name),
            "labels": {
                "app.kubernetes.io/name": f"app-{service}",
                "app.kubernetes.io/version": "2.14.1",
                "tier": TIERS[service % len(TIERS)],
                "pod-template-hash": "5d8f7c9b6d",
            },
        }
        if state in {"ending", "ended"}:
            made["metadata"] |= {"deletionTimestamp": READY_SECONDS, "deletionGracePeriodSeconds": 45}
        if state != "created":
            made["spec"] = made["spec"] | {"nodeName": f"node-{self.size.node_of(pod)}"}
        if state not in {"created", "bound"}:
            address = self.address(pod, life)
            made["status"] = made["status"] | {"podIP": address, "podIPs": [{"ip": address}]}
        if state in {"started", "ended"}:
            made["status"] = made["status"] | {"conditions": _not_ready(made["status"]["conditions"])}
        return self.pod_key(pod, life), made

    def slice(self, service: int, lives: dict[int, int] | None = None) -> Entry:
        """The endpoints of a Service; `lives` has the pods that are not in their first life."""
        made: Object = {**self._templates.slice}
        namespace, name = self.namespace_of(service * self.size.endpoints), f"app-{service}"
        made["metadata"] = made["metadata"] | {
            "name": f"{name}-x7k2p",
            "namespace": namespace,
            "uid": _uid(f"{namespace}/{name}/slice"),
            "labels": made["metadata"]["labels"] | {"kubernetes.io/service-name": name},
        }
        first = service * self.size.endpoints
        made["endpoints"] = [
            self._endpoint(pod, (lives or {}).get(pod, 0)) for pod in range(first, first + self.size.endpoints)
        ]
        return f"/registry/endpointslices/{namespace}/{name}-x7k2p", made

    def _endpoint(self, pod: int, life: int) -> Object:
        name, node = self._pod_name(pod, life), self.size.node_of(pod)
        return {
            "addresses": [self.address(pod, life)],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "nodeName": f"node-{node}",
            "zone": f"zone-{node % 3}",
            "targetRef": {"kind": "Pod", "namespace": self.namespace_of(pod), "name": name, "uid": _uid(name)},
        }

    def _service(self, number: int) -> Entry:
        made: Object = {**self._templates.service}
        namespace, name = self.namespace_of(number * self.size.endpoints), f"app-{number}"
        made["metadata"] = made["metadata"] | {"name": name, "namespace": namespace, "uid": _uid(f"{namespace}/{name}")}
        address = f"10.{96 + (number + 256 >> 16)}.{number + 256 >> 8 & 255}.{number & 255}"
        made["spec"] = made["spec"] | {
            "clusterIP": address,
            "clusterIPs": [address],
            "selector": {"app.kubernetes.io/name": name},
        }
        return f"/registry/services/specs/{namespace}/{name}", made

    def _node(self, number: int) -> Entry:
        made: Object = {**self._templates.node}
        name = f"node-{number}"
        made["metadata"] = made["metadata"] | {"name": name, "uid": _uid(name), "labels": _node_labels(number)}
        block = f"10.{192 + (number >> 8)}.{number & 255}.0/24"
        made["spec"] = {"podCIDR": block, "podCIDRs": [block]}
        host = f"172.18.{number + 1 >> 8}.{number + 1 & 255}"
        made["status"] = made["status"] | {"addresses": [{"type": "InternalIP", "address": host}]}
        return f"/registry/minions/{name}", made

    def _pod_name(self, pod: int, life: int) -> str:
        return f"app-{pod // self.size.endpoints}-5d8f7c9b6d-{pod:05}-{life}"


def _uid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def _spec() -> Object:
    return {**api_objects.pod(0)["spec"], "serviceAccountName": "default"}


def _not_ready(conditions: list[Object]) -> list[Object]:
    return [one | {"status": "False"} if "Ready" in one["type"] else one for one in conditions]


def _namespace(number: int) -> Entry:
    name = f"team-{number}"
    labels = {"kubernetes.io/metadata.name": name, "team": f"t{number % 10}"}
    metadata = {"name": name, "uid": _uid(name), "labels": labels, "creationTimestamp": READY_SECONDS}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}}
    return f"/registry/namespaces/{name}", body | {"status": {"phase": "Active"}}


def _policy(number: int, namespaces: int) -> Entry:
    """In turns: the pods of a namespace reach each other; a tier is reached by another one of two namespaces."""
    namespace, name = f"team-{number // 2 % namespaces}", f"policy-{number}"
    spec: Object = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}
    if number % 2:
        nearby = {"matchLabels": {"kubernetes.io/metadata.name": f"team-{(number // 2 + 1) % namespaces}"}}
        peer = {"podSelector": {"matchLabels": {"tier": "web"}}, "namespaceSelector": nearby}
        ports = [{"protocol": "TCP", "port": 8080}]
        spec = {
            "podSelector": {"matchLabels": {"tier": "api"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [peer], "ports": ports}],
        }
    metadata = {"name": name, "namespace": namespace, "uid": _uid(name), "creationTimestamp": READY_SECONDS}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    return f"/registry/networkpolicies/{namespace}/{name}", body


def _service() -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    metadata = {"name": "template", "labels": {"app.kubernetes.io/name": "template"}}
    return {"metadata": metadata, "spec": {"ports": ports, "selector": {"app.kubernetes.io/name": "template"}}}


def _slice() -> Object:
    labels = {
        "kubernetes.io/service-name": "template",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "app.kubernetes.io/name": "template",
    }
    owner = {"apiVersion": "v1", "kind": "Service", "name": "template", "uid": _uid("owner"), "controller": True}
    annotations = {"endpoints.kubernetes.io/last-change-trigger-time": READY_SECONDS}
    metadata = {"name": "template", "labels": labels, "annotations": annotations, "ownerReferences": [owner]}
    endpoints = [{"addresses": ["10.128.0.1"], "conditions": {"ready": True}}]
    ports = [{"name": "http", "port": 8080, "protocol": "TCP"}]
    return {"addressType": "IPv4", "metadata": metadata, "endpoints": endpoints, "ports": ports}


def _node_labels(number: int) -> Object:
    return {
        "kubernetes.io/hostname": f"node-{number}",
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "node.kubernetes.io/instance-type": "m5.2xlarge",
        "topology.kubernetes.io/region": "region-1",
        "topology.kubernetes.io/zone": f"zone-{number % 3}",
    }


def _node_status() -> Object:
    """What a kubelet reports: conditions, resources, and the images that it has."""
    kinds = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    resources = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    return {
        "conditions": [
            {
                "type": kind,
                "status": "True" if kind == "Ready" else "False",
                "reason": f"Kubelet{kind}",
                "message": f"kubelet reports {kind}",
                "lastHeartbeatTime": READY_SECONDS,
                "lastTransitionTime": READY_SECONDS,
            }
            for kind in kinds
        ],
        "capacity": resources,
        "allocatable": resources,
        "addresses": [{"type": "InternalIP", "address": "172.18.0.2"}],
        "images": [
            {"names": [f"registry.example.com/team/image-{n}@sha256:{n:064x}"], "sizeBytes": 10_000_000 + n}
            for n in range(30)
        ],
        "nodeInfo": {
            "machineID": "0" * 32, "systemUUID": "0" * 32, "bootID": "0" * 32, "kernelVersion": "6.18.0",
            "osImage": "Debian GNU/Linux 12", "containerRuntimeVersion": "containerd://2.3.7",
            "kubeletVersion": "v1.37.2", "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
        },
    }  # fmt: skip
