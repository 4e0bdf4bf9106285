"""The connections that prove an expectation, and what the model says of them."""

import msgspec
import pytest

from podwire.insight.verify.expectations import Expectation, Verdict
from podwire.insight.verify.plan import Plan, PlanError, controls, plans
from podwire.kube.core import Node
from podwire.kube.meta import ObjectMeta
from tests.insight.verify.shop import shop


def plan(source: str, to: str, port: int | str | None = 80, protocol: str = "TCP", expect: Verdict = "allow") -> Plan:
    return plans([Expectation(source, to, port, protocol, expect, "x.yaml:3")], *shop())[0]


def targets(found: Plan) -> set[tuple[str, str, int]]:
    return {(one.source.name, one.attempt.address, one.attempt.port) for one in found.connections}


def test_a_workload_is_each_of_its_pods_and_the_model_knows_who_may() -> None:
    allowed, denied = plan("shop/client", "shop/web"), plan("shop/other", "shop/web")
    assert targets(allowed) == {("shop/client", "10.244.1.2", 80), ("shop/client", "10.244.2.2", 80)}
    assert {one.is_modelled for one in allowed.connections} == {True}
    assert {one.is_modelled for one in denied.connections} == {False}
    assert allowed.connections[0].attempt.network.endswith("/pods/client-uid")


def test_a_port_by_its_name_and_every_declared_one() -> None:
    assert targets(plan("shop/client", "shop/web", "http")) == targets(plan("shop/client", "shop/web"))
    every = plan("shop/client", "shop/web", None)
    assert {(one.attempt.port, one.attempt.protocol) for one in every.connections} == {(80, "TCP"), (53, "UDP")}
    assert {one.is_modelled for one in every.connections if one.attempt.protocol == "UDP"} == {False}


def test_a_service_is_its_address_and_judged_by_its_endpoints() -> None:
    found = plan("shop/client", "shop/front", 8080)
    assert targets(found) == {("shop/client", "10.96.0.50", 8080)}
    assert found.connections[0].destination.endpoints == (("10.244.1.2", 80), ("10.244.2.2", 80))
    assert found.connections[0].is_modelled
    assert targets(plan("shop/client", "shop/front", "http")) == targets(found)
    assert targets(plan("shop/client", "shop/every")) == targets(plan("shop/client", "shop/web"))


@pytest.mark.parametrize(
    ("destination", "port"),
    [
        ("shop/alias", 8080),
        ("shop/alias", "http"),
        ("shop/alias", None),
        ("alias.shop.svc.cluster.local", 8080),
        ("http://front:8080/any?path", None),
        ("http://alias.shop:8080", None),
        ("ws://10.96.0.50:8080/", None),
    ],
)
def test_aliases_and_urls_are_the_connection_that_their_clients_make(destination: str, port: int | str | None) -> None:
    found = plan("shop/client", destination, port)
    assert targets(found) == {("shop/client", "10.96.0.50", 8080)}
    assert {one.is_modelled for one in found.connections} == {True}
    assert {one.is_modelled for one in plan("shop/other", destination, port).connections} == {False}


def test_a_url_has_the_port_of_its_scheme() -> None:
    assert targets(plan("shop/client", "http://every.shop/", None)) == targets(plan("shop/client", "shop/web"))
    with pytest.raises(PlanError, match="has no port 443/TCP"):
        plan("shop/client", "https://front/", None)


def test_a_service_without_endpoints_proves_nothing() -> None:
    found = plan("shop/client", "shop/none", expect="deny")
    assert not found.connections
    assert "Service shop/none has no ready endpoint for port 80" in found.problem


def test_pods_of_one_workload_try_each_other_and_a_lone_pod_itself() -> None:
    assert targets(plan("shop/web", "shop/web")) == {
        ("shop/web-0", "10.244.2.2", 80),
        ("shop/web-1", "10.244.1.2", 80),
    }
    alone = plan("shop/client", "shop/client", 80)
    assert targets(alone) == {("shop/client", "10.244.1.3", 80)}
    assert alone.connections[0].is_modelled


def test_a_pod_behind_a_service_tries_its_other_endpoints() -> None:
    found = plan("shop/web", "shop/front", 8080, expect="deny")
    assert targets(found) == {("shop/web-0", "10.244.2.2", 80), ("shop/web-1", "10.244.1.2", 80)}
    assert {one.is_modelled for one in found.connections} == {False}


def test_outside_comes_by_load_balancers_and_node_ports_and_goes_to_its_own_address() -> None:
    found = plan("outside", "shop/web")
    assert ("outside", "172.18.254.1", 8080) in targets(found)
    assert ("outside", "172.18.0.2", 30080) in targets(found)
    assert {one.is_modelled for one in found.connections} == {None}
    away = plan("shop/client", "outside", 443)
    assert {address for _, address, _ in targets(away)} == {"172.18.255.1"}
    assert targets(plan("shop/client", "203.0.113.7", 443)) == {("shop/client", "203.0.113.7", 443)}


def test_the_node_port_of_a_service_is_judged_by_its_endpoints() -> None:
    snapshot, places = shop()
    nodes = tuple(Node(metadata=ObjectMeta(name=name)) for name in ("node-1", "node-2"))
    snapshot = msgspec.structs.replace(snapshot, nodes=nodes)
    ways = (("shop/client", "node-1"), ("shop/other", "node-2"), ("outside", "node-1"), ("shop/client", "node-2"))
    wanted = [Expectation(*way, 30080, "TCP", "deny", "x.yaml:3") for way in ways]
    allowed, denied, outside, elsewhere = plans(wanted, snapshot, places)
    assert targets(outside) == {("outside", "172.18.0.2", 30080)}
    assert {one.destination.endpoints for one in allowed.connections} == {(("10.244.1.2", 80), ("10.244.2.2", 80))}
    assert {one.is_modelled for one in allowed.connections} == {True}
    assert {one.is_modelled for one in denied.connections} == {False}
    assert {one.is_modelled for one in elsewhere.connections} == {None}  # it arrives by the address of the node, too


def test_a_deny_has_controls_from_the_nodes_of_both_ends() -> None:
    denied = plan("shop/other", "shop/web", expect="deny")
    found = controls([denied])
    assert set(found) == {"10.244.1.2", "10.244.2.2", "10.244.2.3"}
    assert found["10.244.1.2"].network.endswith("/node-1")
    assert controls([plan("shop/client", "shop/web")]) == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shop/nobody", "shop/web", 80), "x.yaml:3: shop/nobody: nothing has this name"),
        (("shop/client", "shop/web", "grpc"), "x.yaml:3: shop/web: has no port grpc/TCP"),
        (("shop/client", "shop/front", 81), "x.yaml:3: Service shop/front: has no port 81/TCP; there is 8080"),
        (("shop/client", "shop/other", None), "x.yaml:3: shop/other: declares no port"),
        (("shop/client", "outside", None), "x.yaml:3: to outside: write the number of the port"),
        (
            ("shop/client", "shop/elsewhere", 443),
            "x.yaml:3: shop/elsewhere: is an alias of example.com, a host outside",
        ),
        (
            ("shop/client", "shop/circle", 443),
            "x.yaml:3: shop/circle: Service shop/circle leads nowhere: its name is an",
        ),
        (("outside", "shop/alias", 8080), "x.yaml:3: shop/alias: Service shop/alias is a name of the cluster's DNS"),
        (("shop/client", "http://web/", None), "x.yaml:3: http://web/: web is no Service: its name has no address"),
        (
            ("shop/client", "http://app.example.com/", None),
            "x.yaml:3: http://app.example.com/: the cluster's DNS has no",
        ),
        (("shop/client", "example.com", 443), "x.yaml:3: example.com: a host name outside of the cluster"),
        (("203.0.113.7", "shop/web", 80), "x.yaml:3: from 203.0.113.7: packets are sent from pods"),
    ],
)
def test_a_name_that_means_nothing_is_one_message_with_its_line(
    arguments: tuple[str, str, int | str | None], message: str
) -> None:
    with pytest.raises(PlanError) as caught:
        plan(*arguments)
    assert str(caught.value).startswith(message)


def test_a_service_as_a_client_is_the_pods_that_it_selects() -> None:
    assert {one.source.name for one in plan("shop/svc/front", "shop/other").connections} == {"shop/web-0", "shop/web-1"}
