"""The rows of a gateway on the pod's node, on the gateway node and elsewhere."""

from __future__ import annotations

import ipaddress

from podwire.egress.model import Source
from podwire.egress.rows import RuleRow, WayRow
from podwire.egress.view import CLUSTER, EgressView
from podwire.kernel.elements import IPAddress
from podwire.kube.core import Namespace, Node, NodeAddress, NodeStatus
from podwire.kube.egress_gateway import EgressGateway, EgressGatewaySpec, GatewayNode
from podwire.kube.meta import Condition, LabelSelector, NamespacedName, ObjectMeta

POD = ipaddress.ip_address("10.244.1.2")
ADDRESSES = {"node-1": "172.18.0.2", "node-2": "172.18.0.3", "node-3": "172.18.0.4"}


def node(name: str, *, ready: bool = True) -> Node:
    status = NodeStatus(
        addresses=(NodeAddress(type="InternalIP", address=ADDRESSES[name]),),
        conditions=(Condition(type="Ready", status="True" if ready else "False"),),
    )
    return Node(metadata=ObjectMeta(name=name), status=status)


def gateway(
    name: str = "stable", created: str = "1", *destinations: str, address: str = "172.18.250.1"
) -> EgressGateway:
    spec = EgressGatewaySpec(
        pod_selector=LabelSelector({"egress": "stable"}),
        gateways=(GatewayNode(name="node-2"), GatewayNode(name="node-3")),
        addresses=(address,),
        destinations=destinations,
    )
    return EgressGateway(metadata=ObjectMeta(name=name, creation_timestamp=created), spec=spec)


def hop(node: Node, version: int) -> tuple[IPAddress, str] | None:
    return next(((ipaddress.ip_address(text), "") for text in node.internal_addresses), None) if version == 4 else None


def view(own: str, *gateways: EgressGateway, labels: dict[str, str] | None = None) -> EgressView:
    pods, services = ipaddress.ip_network("10.244.0.0/16"), ipaddress.ip_network("10.96.0.0/16")
    made = EgressView(own, [pods], [services], hop)
    for name in ADDRESSES:
        made.node_changed(name, node(name))
    made.namespace_changed("shop", Namespace(metadata=ObjectMeta(name="shop")))
    for one in gateways:
        made.gateway_changed(one.metadata.name, one)
    key = NamespacedName("shop", "web")
    made.source_changed(key, Source(key, {"egress": "stable"} if labels is None else labels, (POD,), "node-1"))
    if own == "node-1":
        made.attached(key, "uid", [POD])
    return made


def elements(made: EgressView, owner: str = "stable") -> set[str]:
    return set(map(str, made.elements(owner)))


def ways(made: EgressView) -> set[str]:
    return {str(row) for row in made.routes("stable") if isinstance(row, WayRow) and row.kind != "throw"}


def test_the_node_of_the_pod_keeps_its_address_and_routes_it_to_the_gateway() -> None:
    made = view("node-1", gateway())
    table = made.gateway("stable").table  # type: ignore[union-attr]
    assert elements(made) == {"leaving4 10.244.1.2 . 0.0.0.0/0 : 10.244.1.2", "through4 10.244.1.2 . 0.0.0.0/0"}
    assert ways(made) == {f"table {table} 0.0.0.0/0 via 172.18.0.3", f"table {table} 0.0.0.0/0 unreachable"}
    assert RuleRow(POD, table) in list(made.routes("stable"))
    inside = {str(row.destination) for row in made.routes("stable") if isinstance(row, WayRow) and row.kind == "throw"}
    assert inside == {"10.244.0.0/16", "10.96.0.0/16", *(f"{address}/32" for address in ADDRESSES.values())}


def test_the_gateway_node_translates_and_has_the_address_and_another_node_has_nothing() -> None:
    made = view("node-2", gateway())
    assert elements(made) == {"addresses4 172.18.250.1", "leaving4 10.244.1.2 . 0.0.0.0/0 : 172.18.250.1"}
    assert list(made.routes("stable")) == []
    assert list(map(str, made.served("stable"))) == ["172.18.250.1"]
    other = view("node-3", gateway())
    assert (elements(other), list(other.routes("stable")), other.served("stable")) == (set(), [], ())


def test_the_second_node_takes_over_and_without_one_the_way_is_closed() -> None:
    made = view("node-1", gateway())
    made.node_changed("node-2", node("node-2", ready=False))
    assert any("via 172.18.0.4" in row for row in ways(made))
    made.node_changed("node-3", None)
    assert {row.rpartition(" ")[2] for row in ways(made)} == {"unreachable"}
    assert any(isinstance(row, RuleRow) for row in made.routes("stable"))


def test_a_pod_that_is_not_selected_has_no_rows() -> None:
    made = view("node-1", gateway(), labels={"egress": "other"})
    assert (elements(made), list(made.routes("stable"))) == (set(), [])


def test_destinations_limit_routes_and_translation() -> None:
    made = view("node-1", gateway("stable", "1", "203.0.113.0/24"))
    assert all("203.0.113.0/24" in row for row in (*elements(made), *ways(made)))
    assert len(ways(made)) == 2


def test_of_two_gateways_that_select_a_pod_the_older_one_has_it() -> None:
    made = view("node-2", gateway("younger", "2", address="172.18.250.2"), gateway("stable", "1"))
    assert any("leaving4" in row for row in elements(made))
    assert elements(made, "younger") == {"addresses4 172.18.250.2"}
    made.gateway_changed("stable", None)
    assert "leaving4 10.244.1.2 . 0.0.0.0/0 : 172.18.250.2" in elements(made, "younger")


def test_the_cluster_is_described_while_there_is_a_gateway_only() -> None:
    made = view("node-1", gateway())
    assert {"ranges4 10.244.0.0/16", "services4 10.96.0.0/16", "nodes4 172.18.0.3"} <= elements(made, CLUSTER)
    made.gateway_changed("stable", None)
    assert elements(made, CLUSTER) == set()


def test_a_change_concerns_the_gateway_that_selects_the_pod() -> None:
    made = view("node-1", gateway())
    key = NamespacedName("shop", "web")
    assert made.source_changed(key, Source(key, {}, (POD,), "node-1")) == ("stable",)
    assert made.source_changed(key, Source(key, {"other": ""}, (POD,), "node-1")) == ()
