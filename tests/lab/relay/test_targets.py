import msgspec

from podwire.kube.core import Node
from podwire.kube.meta import NamespacedName
from podwire.lab.relay.forwards import Forward
from podwire.lab.relay.targets import Target, targets_of

WEB = NamespacedName("shop", "web")


def node(number: int, *, ready: bool = True) -> Node:
    addresses = [f"172.18.0.{number + 1}", f"fd00:172:18::{number + 1}", f"node-{number}"]
    types = ["InternalIP", "InternalIP", "Hostname"]
    status = {
        "addresses": [{"type": kind, "address": one} for kind, one in zip(types, addresses, strict=True)],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }
    return msgspec.convert({"metadata": {"name": f"node-{number}"}, "status": status}, Node)


NODES = [node(2), node(1), node(3, ready=False)]


def test_a_load_balancer_is_its_address_seen_from_outside() -> None:
    forward = Forward(WEB, "LoadBalancer", "TCP", 80, 80, "172.18.254.1")
    assert targets_of(forward, NODES, None) == [Target("outside", "172.18.254.1", 80)]


def test_a_node_port_is_tried_at_every_ready_node_of_its_families() -> None:
    forward = Forward(WEB, "NodePort", "TCP", 30080, 80)
    assert targets_of(forward, NODES, None) == [
        Target("outside", "172.18.0.2", 30080),
        Target("outside", "172.18.0.3", 30080),
    ]
    only6 = Forward(WEB, "NodePort", "TCP", 30080, 80, families=("IPv6",))
    assert [target.address for target in targets_of(only6, NODES, None)] == ["fd00:172:18::2", "fd00:172:18::3"]


def test_with_policy_local_only_nodes_with_an_endpoint_are_tried() -> None:
    forward = Forward(WEB, "NodePort", "TCP", 30080, 80, local=True)
    assert targets_of(forward, NODES, frozenset({"node-2", "node-3"})) == [Target("outside", "172.18.0.3", 30080)]
    assert targets_of(forward, NODES, frozenset()) == []


def test_a_cluster_address_is_reached_from_a_node() -> None:
    forward = Forward(WEB, "ClusterIP", "UDP", 53, 80, "10.96.0.10")
    assert targets_of(forward, NODES, None) == [Target("node-1", "10.96.0.10", 53), Target("node-2", "10.96.0.10", 53)]
    assert Target("node-1", "fd00:10:96::a", 53).version == 6
