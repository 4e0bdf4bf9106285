from typing import Any

import pytest

from podwire.apiserver.writes.service_allocator import ServiceAddresses, ServiceRanges
from tests.apiserver.writes.services import DUAL, SINGLE, changed, failure, service, texts

TAKEN = "provided port is already allocated"


def node_ports(obj: dict[str, Any]) -> list[int]:
    return [port["nodePort"] for port in obj["spec"]["ports"]]


@pytest.mark.proves("service-defaults")
def test_node_ports_are_given_and_kept_on_update() -> None:
    addresses = ServiceAddresses(SINGLE)
    old = service(type="NodePort", ports=[{"port": 80, "name": "a"}, {"port": 81, "name": "b"}])
    addresses.reserve(old).confirm()
    numbers = {port["nodePort"] for port in old["spec"]["ports"]}
    assert len(numbers) == 2
    ports = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}, {"port": 82, "name": "c"}]
    new = changed(old, ports=ports)
    addresses.reserve(new, old).confirm()
    assert {port["nodePort"] for port in new["spec"]["ports"]} > numbers


def test_one_port_of_two_protocols_has_one_node_port() -> None:
    obj = service(type="NodePort", ports=[{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}])
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert obj["spec"]["ports"][0]["nodePort"] == obj["spec"]["ports"][1]["nodePort"]


def test_a_service_that_stops_being_nodeport_frees_its_ports() -> None:
    addresses = ServiceAddresses(SINGLE)
    old = service(type="NodePort", ports=[{"port": 80, "nodePort": 30001}])
    addresses.reserve(old).confirm()
    new = changed(old, type="ClusterIP")
    assert "nodePort" not in new["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in new["spec"]
    addresses.reserve(new, old).confirm()
    again = service(type="NodePort", ports=[{"port": 80, "nodePort": 30001}])
    assert not addresses.reserve(again).causes


def test_load_balancers_can_do_without_node_ports() -> None:
    obj = service(type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert "nodePort" not in obj["spec"]["ports"][0]


def test_local_load_balancers_have_a_health_check_port() -> None:
    obj = service(type="LoadBalancer", externalTrafficPolicy="Local")
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert obj["spec"]["healthCheckNodePort"] in range(30000, 32768)
    assert obj["spec"]["healthCheckNodePort"] != obj["spec"]["ports"][0]["nodePort"]


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_a_number_of_another_service_is_refused_for_every_protocol(protocol: str) -> None:
    addresses = ServiceAddresses(DUAL)
    addresses.reserve(service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}])).confirm()
    other = service(type="NodePort", ports=[{"port": 53, "protocol": protocol, "nodePort": 30080}])
    assert texts(addresses.reserve(other)) == [f"spec.ports[0].nodePort: Invalid value: 30080: {TAKEN}"]


def test_two_ports_of_a_new_service_cannot_have_one_number() -> None:
    ports = [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81, "nodePort": 30080}]
    refused = ServiceAddresses(DUAL).reserve(service(type="NodePort", ports=ports))
    assert texts(refused) == [f"spec.ports[1].nodePort: Invalid value: 30080: {TAKEN}"]


def test_a_requested_number_serves_the_other_protocol_too() -> None:
    ports = [{"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP", "nodePort": 30053}]
    obj = service(type="NodePort", ports=ports)
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert node_ports(obj) == [30053, 30053]


def test_a_port_that_is_added_gets_a_number_of_its_own() -> None:
    addresses = ServiceAddresses(DUAL)
    tcp = {"name": "t", "port": 53, "nodePort": 30053}
    old = service(type="NodePort", ports=[tcp])
    addresses.reserve(old).confirm()
    chosen = changed(old, ports=[tcp, {"name": "u", "port": 53, "protocol": "UDP"}])
    assert not addresses.reserve(chosen, old).causes
    assert node_ports(chosen)[1] != 30053
    same = changed(old, ports=[tcp, {"name": "u", "port": 53, "protocol": "UDP", "nodePort": 30053}])
    assert not addresses.reserve(same, old).causes


def test_a_changed_number_is_taken_and_the_former_one_released() -> None:
    addresses = ServiceAddresses(SINGLE)
    old = service(type="NodePort", ports=[{"port": 80, "nodePort": 30001}])
    addresses.reserve(old).confirm()
    new = changed(old, ports=[{"port": 80, "nodePort": 30002}])
    addresses.reserve(new, old).confirm()
    assert not addresses.reserve(service(type="NodePort", ports=[{"port": 80, "nodePort": 30001}])).causes
    assert addresses.reserve(service(type="NodePort", ports=[{"port": 80, "nodePort": 30002}])).causes


@pytest.mark.parametrize("number", [29999, 30004])
def test_the_range_is_that_of_the_configuration(number: int) -> None:
    refused = ServiceAddresses(SINGLE).reserve(service(type="NodePort", ports=[{"port": 80, "nodePort": number}]))
    assert texts(refused) == [
        (
            f"spec.ports[0].nodePort: Invalid value: {number}: provided port is not in the valid range. "
            "The range of valid ports is 30000-30003"
        )
    ]


def test_numbers_are_given_until_the_range_is_full() -> None:
    addresses = ServiceAddresses(SINGLE)
    given = set()
    for _ in range(4):
        obj = service(type="NodePort")
        assert addresses.reserve(obj).refusal is None
        given.update(node_ports(obj))
    assert given == {30000, 30001, 30002, 30003}
    assert failure(addresses.reserve(service(type="NodePort"))) == "failed to allocate a nodePort: range is full"
    balanced = service(type="LoadBalancer", externalTrafficPolicy="Local", allocateLoadBalancerNodePorts=False)
    assert failure(addresses.reserve(balanced)) == "failed to allocate a HealthCheck NodePort 0: range is full"


def test_numbers_are_chosen_above_the_static_band() -> None:
    addresses = ServiceAddresses(ServiceRanges(DUAL.networks, range(30000, 30018)))
    chosen = [service(type="NodePort") for _ in range(2)]
    assert not [cause for obj in chosen for cause in addresses.reserve(obj).causes]
    assert {number for obj in chosen for number in node_ports(obj)} == {30016, 30017}
    below = service(type="NodePort")
    assert not addresses.reserve(below).causes
    assert node_ports(below)[0] < 30016


def test_a_requested_health_check_port_is_taken_once() -> None:
    addresses = ServiceAddresses(DUAL)
    spec: dict[str, Any] = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
    old = service(**spec)
    addresses.reserve(old).confirm()
    assert failure(addresses.reserve(service(**spec))) == (
        f"failed to allocate requested HealthCheck NodePort 31000: {TAKEN}"
    )
    outside = service(**{**spec, "healthCheckNodePort": 80})
    assert failure(addresses.reserve(outside)) == (
        "failed to allocate requested HealthCheck NodePort 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767"
    )


def test_the_health_check_port_is_kept_by_updates_and_released_with_the_policy() -> None:
    addresses = ServiceAddresses(DUAL)
    old = service(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=31000)
    addresses.reserve(old).confirm()
    kept = changed(old, healthCheckNodePort=None)
    addresses.reserve(kept, old).confirm()
    assert kept["spec"]["healthCheckNodePort"] == 31000
    cluster = changed(kept, externalTrafficPolicy="Cluster")
    addresses.reserve(cluster, kept).confirm()
    assert "healthCheckNodePort" not in cluster["spec"]
    other = service(type="NodePort", ports=[{"port": 80, "nodePort": 31000}])
    assert not addresses.reserve(other).causes


def test_node_ports_follow_the_names_of_ports() -> None:
    addresses = ServiceAddresses(DUAL)
    old = service(type="NodePort", ports=[{"name": "http", "port": 80, "nodePort": 30080}])
    addresses.reserve(old).confirm()
    moved = changed(old, ports=[{"name": "http", "port": 81}])
    assert not addresses.reserve(moved, old).causes
    assert node_ports(moved) == [30080]
    taken_over = changed(old, ports=[{"name": "http", "port": 80}, {"name": "b", "port": 81, "nodePort": 30080}])
    assert not addresses.reserve(taken_over, old).causes
    assert node_ports(taken_over)[0] != 30080


def test_a_load_balancer_without_node_ports_keeps_those_that_it_has() -> None:
    addresses = ServiceAddresses(DUAL)
    old = service(type="LoadBalancer", ports=[{"port": 80, "nodePort": 30080}])
    addresses.reserve(old).confirm()
    kept = changed(old, allocateLoadBalancerNodePorts=False)
    addresses.reserve(kept, old).confirm()
    assert node_ports(kept) == [30080]
    removed = changed(kept, ports=[{"port": 80}])
    addresses.reserve(removed, kept).confirm()
    assert "nodePort" not in removed["spec"]["ports"][0]
    assert not addresses.reserve(service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}])).causes


def test_a_number_that_an_external_name_names_is_taken_with_the_type() -> None:
    addresses = ServiceAddresses(DUAL)
    old = service(type="ExternalName", externalName="a.b", ports=[{"port": 80, "nodePort": 30080}])
    addresses.reserve(old).confirm()
    other = service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    addresses.reserve(other).confirm()
    assert texts(addresses.reserve(changed(old, type="NodePort"), old)) == [
        f"spec.ports[0].nodePort: Invalid value: 30080: {TAKEN}"
    ]
