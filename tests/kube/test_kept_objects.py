"""What an agent keeps of objects must be all that its capabilities read of them."""

import ipaddress
from typing import Any

import msgspec

from podwire.announcement.model import announcer
from podwire.kube.core import Namespace, Node
from podwire.kube.discovery import TRIGGER_TIME, EndpointSlice
from podwire.kube.kept_objects import KeptObjects
from podwire.kube.pod_pools import ANNOTATION, namespace_pool
from podwire.kube.services import Service
from podwire.pods.model import Cluster, read_node
from podwire.services import model
from podwire.services.node_view import NodeView

META = {
    "name": "a",
    "namespace": "x",
    "uid": "u",
    "resourceVersion": "7",
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}" * 500},
    "ownerReferences": [{"kind": "Service", "name": "a", "uid": "o", "apiVersion": "v1"}],
}


def read(kind: type[Any], **fields: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode({"metadata": META, **fields}), type=kind)


def test_a_node_means_the_same_to_routes_announcements_and_services() -> None:
    node: Node = read(
        Node,
        metadata=META
        | {
            "namespace": "",
            "labels": {
                "topology.kubernetes.io/zone": "z",
                "node.kubernetes.io/exclude-from-external-load-balancers": "",
                "kubernetes.io/os": "linux",
            },
            "annotations": {ANNOTATION: '{"red": ["10.60.0.0/26"]}', "other": "long"},
        },
        spec={
            "podCIDRs": ["10.244.1.0/24"],
            "taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}],
        },
        status={
            "addresses": [{"type": "InternalIP", "address": "172.18.0.2"}],
            "conditions": [{"type": kind, "status": "True", "message": "long"} for kind in ("Ready", "DiskPressure")],
            "allocatable": {"cpu": "8"},
        },
    )
    kept = KeptObjects().node(node)
    ranges = (ipaddress.ip_network("10.244.0.0/16"), ipaddress.ip_network("10.60.0.0/24"))
    cluster = Cluster(ranges, pools=(namespace_pool("red=10.60.0.0/24:26"),))
    view = NodeView("a", (), ("primary",), False)
    assert read_node(kept, cluster) == read_node(node, cluster)
    assert read_node(kept, cluster)[0].pools
    assert announcer(kept) == announcer(node)
    assert view.followed(kept) == view.followed(node)
    assert (kept.ready, kept.leaving) == (True, True)
    assert kept.metadata.resource_version == "7"
    assert (kept.status.allocatable, list(kept.metadata.annotations)) == ({}, [ANNOTATION])
    assert kept.metadata.owner_references == ()


def test_a_service_and_its_endpoints_mean_the_same_to_the_proxy() -> None:
    service: Service = read(
        Service,
        metadata=META | {"labels": {"app": "a"}},
        spec={"clusterIP": "10.96.0.9", "ports": [{"port": 80, "name": "http"}], "selector": {"app": "a"}},
        status={"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    )
    pieces: list[EndpointSlice] = [
        read(
            EndpointSlice,
            metadata=META
            | {
                "name": name,
                "annotations": {TRIGGER_TIME: "2026-01-01T00:00:00Z", "more": "text"},
                "labels": {"kubernetes.io/service-name": "a", "app": "a", **labels},
            },
            endpoints=[
                {
                    "addresses": [f"10.244.2.{last}"],
                    "conditions": {"ready": last != 3, "serving": True},
                    "nodeName": "b",
                    "zone": "z",
                    "hostname": "h",
                    "hints": {"forZones": [{"name": "z"}]},
                    "targetRef": {"kind": "Pod", "name": "p", "uid": "u", "namespace": "x"},
                }
                for last in (2, 3)
            ],
            ports=[{"name": "http", "port": 8080}],
        )
        for name, labels in (("a-1", {}), ("a-2", {"service.kubernetes.io/headless": ""}))
    ]
    kept = KeptObjects()
    view = NodeView("a", (), ("primary",), False)
    whole = list(model.entries(service, pieces, view))
    small = [kept.endpoint_slice(piece) for piece in pieces]
    assert whole
    assert list(model.entries(kept.service(service), small, view)) == whole
    first, second = small[0].endpoints
    assert (first.target_ref, first.hostname) == (None, "h")
    assert first.node_name is second.node_name
    assert dict(small[0].metadata.annotations) == {TRIGGER_TIME: "2026-01-01T00:00:00Z"}
    assert kept.service(service).status == service.status


def test_a_namespace_keeps_its_labels() -> None:
    namespace: Namespace = read(Namespace, metadata=META | {"namespace": "", "labels": {"team": "t"}})
    kept = KeptObjects().namespace(namespace)
    assert dict(kept.metadata.labels) == {"team": "t"}
    assert not kept.metadata.annotations
