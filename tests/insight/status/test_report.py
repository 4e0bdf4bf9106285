"""The state of a cluster, from its objects."""

from __future__ import annotations

import msgspec

from podwire.insight.operations.programs import Program
from podwire.insight.status.report import ClusterObjects, PlacedPod, PlacedPodSpec, PlacedPodStatus, status, text
from podwire.kube.core import Node, NodeAddress, NodeSpec, NodeStatus
from podwire.kube.meta import Condition, ObjectMeta
from podwire.kube.services import Service
from tests.insight.operations.scene import pod


def node(name: str, ready: str = "True") -> Node:
    return Node(
        metadata=ObjectMeta(name=name),
        spec=NodeSpec(pod_cidrs=("10.244.0.0/24",)),
        status=NodeStatus(
            addresses=(NodeAddress(type="InternalIP", address="192.0.2.1"),),
            conditions=(Condition(type="Ready", status=ready),),
        ),
    )


def placed(name: str, on: str, phase: str = "Running", **labels: str) -> PlacedPod:
    return PlacedPod(
        metadata=ObjectMeta(name=name, labels={key.replace("_", "-"): value for key, value in labels.items()}),
        spec=PlacedPodSpec(node_name=on),
        status=PlacedPodStatus(phase=phase),
    )


BALANCERS = """[
 {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
  "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}},
 {"metadata": {"name": "new", "namespace": "shop"},
  "spec": {"type": "LoadBalancer", "ports": [{"port": 53, "protocol": "UDP"}]}},
 {"metadata": {"name": "inner", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}}
]"""
OBJECTS = ClusterObjects(
    "v1.37.2",
    [node("a"), node("b", "False"), node("c")],
    [placed("p", "a"), placed("q", "a", "Succeeded"), placed("kube-proxy-x", "b", k8s_app="kube-proxy")],
    [pod("a", flags="--overlay vxlan"), pod("b", "container agent waits: ImagePullBackOff"), pod("a", "", Program.DNS)],
    msgspec.json.decode(BALANCERS, type=list[Service]),
)


def test_each_node_has_its_agent_and_its_pods() -> None:
    found = status("prod", "https://x", OBJECTS)
    shown = [(one.name, one.ready, one.agent, one.version, one.overlay, one.pods) for one in found.nodes]
    assert shown == [
        ("a", True, "ready", "1.0", "vxlan", 1),
        ("b", False, "container agent waits: ImagePullBackOff", "1.0", "direct", 1),
        ("c", True, "no pod", "", "", 0),
    ]
    assert [(one.program, one.node, one.state) for one in found.programs] == [("dns", "a", "ready")]
    assert found.kube_proxy == 1


def test_load_balancers_have_their_addresses() -> None:
    found = status("prod", "https://x", OBJECTS).balancers
    assert [(one.name, one.addresses, one.ports) for one in found] == [
        ("web", ("203.0.113.1",), ("80/TCP",)),
        ("new", (), ("53/UDP",)),
    ]


def test_the_text_has_what_is_wrong() -> None:
    shown = text(status("prod", "https://x", OBJECTS))
    assert "kube-proxy  1 pods run beside podwire" in shown
    assert "shop/new       no address yet" in shown
    quiet = text(status("prod", "https://x", msgspec.structs.replace(OBJECTS, pods=[], services=[], programs=[])))
    assert "kube-proxy" not in quiet
    assert "LOAD BALANCER" not in quiet
    assert "no pod" in quiet
