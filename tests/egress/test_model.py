"""What EgressGateways mean: what is read, which node serves, and what is refused."""

from __future__ import annotations

import ipaddress

import pytest

from podwire.egress import model
from podwire.egress.model import Source
from podwire.kube.core import Node, NodeStatus
from podwire.kube.egress_gateway import EgressGateway, EgressGatewaySpec, GatewayNode
from podwire.kube.meta import Condition, LabelSelector, NamespacedName, ObjectMeta

NAMED = (GatewayNode(name="node-2"), GatewayNode(name="node-3"))


def node(name: str, *, ready: bool = True, **labels: str) -> Node:
    condition = Condition(type="Ready", status="True" if ready else "False")
    return Node(metadata=ObjectMeta(name=name, labels=labels), status=NodeStatus(conditions=(condition,)))


def gateway(
    *addresses: str, gateways: tuple[GatewayNode, ...] = NAMED, destinations: tuple[str, ...] = ()
) -> model.Gateway:
    spec = EgressGatewaySpec(gateways=gateways, addresses=addresses, destinations=destinations)
    nodes = [ipaddress.ip_address("172.18.0.2")]
    inside = [ipaddress.ip_network("10.244.0.0/16")]
    return model.read(EgressGateway(metadata=ObjectMeta(name="stable"), spec=spec), nodes, inside)


def test_the_first_ready_node_of_the_list_serves() -> None:
    found = gateway("192.0.2.1")
    assert model.serving(found, [node("node-1"), node("node-2"), node("node-3")]) == "node-2"
    assert model.serving(found, [node("node-1"), node("node-2", ready=False), node("node-3")]) == "node-3"
    assert model.serving(found, [node("node-1")]) == ""


def test_selected_nodes_serve_in_the_order_of_their_names() -> None:
    found = gateway("192.0.2.1", gateways=(GatewayNode(node_selector=LabelSelector({"role": "edge"})),))
    nodes = [node("c", role="edge"), node("b", role="edge"), node("a")]
    assert model.serving(found, nodes) == "b"
    assert model.serving(found, nodes[::2]) == "c"


@pytest.mark.parametrize(
    ("addresses", "problem"),
    [
        ((), "spec.addresses is empty"),
        (("192.0.2.1", "192.0.2.2"), "second one of IPv4"),
        (("172.18.0.2",), "an address of a node"),
        (("10.244.1.1",), "an address of a node, pod or Service"),
        (("127.0.0.1",), "no address of a host"),
        (("fe80::1%eth0",), "no address of a host"),
    ],
)
def test_addresses_that_cannot_be_a_source_are_named_and_no_node_serves(
    addresses: tuple[str, ...], problem: str
) -> None:
    found = gateway(*addresses)
    assert any(problem in one for one in found.problems), found.problems
    assert model.serving(found, [node("node-2")]) == ""
    assert found.versions == (4, 6), "both families are closed"


def test_a_range_that_is_none_closes_all_destinations() -> None:
    found = gateway("192.0.2.1", destinations=("192.0.2.0/24", "nonsense"))
    assert "spec.destinations[1] 'nonsense' is no range" in found.problems[0]
    assert found.destinations == tuple(model.EVERYWHERE.values())


def test_destinations_are_disjoint() -> None:
    found = gateway("192.0.2.1", destinations=("192.0.2.0/24", "192.0.2.7/32", "2001:db8::/32"))
    assert list(map(str, found.destinations)) == ["192.0.2.0/24", "2001:db8::/32"]


@pytest.mark.parametrize("entry", [GatewayNode(), GatewayNode(name="a", node_selector=LabelSelector())])
def test_an_entry_needs_a_name_or_a_selector(entry: GatewayNode) -> None:
    assert "needs either name or nodeSelector" in gateway("192.0.2.1", gateways=(entry,)).problems[0]


def test_a_pod_of_a_namespace_that_is_not_known_is_not_selected() -> None:
    pod = Source(NamespacedName("shop", "web"), {}, (), "node-1")
    assert gateway("192.0.2.1").selects(pod, {})
    assert not gateway("192.0.2.1").selects(pod, None)
