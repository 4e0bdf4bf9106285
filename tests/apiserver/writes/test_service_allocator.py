from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest

from podwire.apiserver import defaults
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.writes import strategy
from podwire.apiserver.writes.service_allocator import Reservation, ServiceAddresses, ServiceRanges

DUAL = ServiceRanges((IPv4Network("10.96.0.0/16"), IPv6Network("fd00:10:96::/112")))
SINGLE = ServiceRanges((IPv4Network("10.96.0.0/24"),), range(30000, 30004))
SERVICE = registry().by_kind("v1", "Service")
assert SERVICE is not None


def service(**spec: Any) -> dict[str, Any]:
    spec.setdefault("ports", [{"port": 80}])
    obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}
    assert SERVICE is not None
    defaults.apply(SERVICE, obj)
    strategy.before_create(SERVICE, obj)
    return obj


def changed(old: dict[str, Any], **spec: Any) -> dict[str, Any]:
    obj = {**old, "spec": {**old["spec"], **spec}}
    obj["spec"] = {name: value for name, value in obj["spec"].items() if value is not None}
    obj["spec"]["ports"] = [dict(port) for port in obj["spec"]["ports"]]
    assert SERVICE is not None
    defaults.apply(SERVICE, obj)
    strategy.before_update(SERVICE, obj, old)
    return obj


def texts(reservation: Reservation) -> list[str]:
    return [str(cause) for cause in reservation.causes]


@pytest.mark.proves("service-defaults")
def test_a_plain_service_has_one_ipv4_address_from_the_upper_band() -> None:
    obj = service(selector={"a": "b"})
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    spec = obj["spec"]
    assert spec["ipFamilyPolicy"] == "SingleStack"
    assert spec["ipFamilies"] == ["IPv4"]
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert int(spec["clusterIP"].split(".")[2]) >= 1
    assert spec["clusterIP"].startswith("10.96.")


@pytest.mark.parametrize("policy", ["PreferDualStack", "RequireDualStack"])
def test_two_families_are_given_to_those_who_ask(policy: str) -> None:
    obj = service(ipFamilyPolicy=policy)
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert obj["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert obj["spec"]["clusterIPs"][1].startswith("fd00:10:96::")


def test_ipv6_can_come_first() -> None:
    obj = service(ipFamilyPolicy="PreferDualStack", ipFamilies=["IPv6"])
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert obj["spec"]["ipFamilies"] == ["IPv6", "IPv4"]
    assert obj["spec"]["clusterIP"].startswith("fd00:10:96::")


def test_one_family_cluster_prefers_but_cannot_require_two() -> None:
    addresses = ServiceAddresses(SINGLE)
    prefers = service(ipFamilyPolicy="PreferDualStack")
    assert not addresses.reserve(prefers).causes
    assert prefers["spec"]["ipFamilies"] == ["IPv4"]
    assert texts(addresses.reserve(service(ipFamilyPolicy="RequireDualStack"))) == [
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
    ]
    assert texts(addresses.reserve(service(ipFamilies=["IPv6"]))) == [
        'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'
    ]


@pytest.mark.parametrize("address", ["10.96.0.1", "10.96.0.10"])
def test_an_address_of_the_lower_band_can_be_asked_for_once(address: str) -> None:
    addresses = ServiceAddresses(DUAL)
    assert not addresses.reserve(service(clusterIP=address)).causes
    assert texts(addresses.reserve(service(clusterIP=address))) == [
        (
            f'spec.clusterIPs: Invalid value: ["{address}"]: '
            f"failed to allocate IP {address}: provided IP is already allocated"
        )
    ]


def test_the_dns_service_asks_for_both_families() -> None:
    obj = service(clusterIP="10.96.0.10", clusterIPs=["10.96.0.10", "fd00:10:96::a"], ipFamilyPolicy="RequireDualStack")
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert obj["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert obj["spec"]["clusterIPs"] == ["10.96.0.10", "fd00:10:96::a"]


@pytest.mark.parametrize("address", ["10.97.0.1", "10.96.0.0", "10.96.255.255"])
def test_an_address_outside_is_refused(address: str) -> None:
    assert texts(ServiceAddresses(DUAL).reserve(service(clusterIP=address))) == [
        (
            f'spec.clusterIPs: Invalid value: ["{address}"]: failed to allocate IP {address}: the provided IP '
            f"({address}) is not in the valid range. The range of valid IPs is 10.96.0.0/16"
        )
    ]


def test_a_cancelled_reservation_holds_nothing() -> None:
    addresses = ServiceAddresses(DUAL)
    addresses.reserve(service(clusterIP="10.96.0.10")).cancel()
    assert not addresses.reserve(service(clusterIP="10.96.0.10")).causes


def test_a_refused_service_holds_nothing() -> None:
    addresses = ServiceAddresses(DUAL)
    refused = service(clusterIP="10.96.0.10", type="NodePort", ports=[{"port": 80, "nodePort": 80}])
    assert texts(addresses.reserve(refused)) == [
        (
            "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
            "The range of valid ports is 30000-32767"
        )
    ]
    assert not addresses.reserve(service(clusterIP="10.96.0.10")).causes


def test_a_deleted_service_frees_its_address() -> None:
    addresses = ServiceAddresses(DUAL)
    obj = service(clusterIP="10.96.0.10")
    addresses.reserve(obj).confirm()
    addresses.release(obj)
    assert not addresses.reserve(service(clusterIP="10.96.0.10")).causes


def test_stored_services_hold_their_addresses_after_a_restart() -> None:
    obj = service(clusterIP="10.96.0.10", type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    ServiceAddresses(DUAL).reserve(obj).confirm()
    addresses = ServiceAddresses(DUAL)
    addresses.restore([obj])
    assert addresses.reserve(service(clusterIP="10.96.0.10")).causes
    other = service(type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    assert texts(addresses.reserve(other)) == [
        "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"
    ]


def test_addresses_are_given_until_the_range_is_full() -> None:
    addresses = ServiceAddresses(SINGLE)
    given = set()
    for _ in range(254):
        obj = service()
        assert not addresses.reserve(obj).causes
        given.add(obj["spec"]["clusterIP"])
    assert len(given) == 254
    assert texts(addresses.reserve(service())) == [
        "spec.clusterIPs: Invalid value: []: failed to allocate a serviceIP: range is full"
    ]


def test_headless_services_hold_no_address() -> None:
    obj = service(clusterIP="None", selector={"a": "b"})
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert obj["spec"]["clusterIPs"] == ["None"]
    assert obj["spec"]["ipFamilies"] == ["IPv4"]


def test_headless_services_without_selector_are_of_both_families() -> None:
    obj = service(clusterIP="None")
    assert not ServiceAddresses(SINGLE).reserve(obj).causes
    assert obj["spec"]["ipFamilyPolicy"] == "RequireDualStack"
    assert obj["spec"]["ipFamilies"] == ["IPv4", "IPv6"]


def test_an_external_name_holds_nothing() -> None:
    obj = service(type="ExternalName", externalName="example.com")
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert "clusterIP" not in obj["spec"]
    assert "ipFamilies" not in obj["spec"]


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


def test_a_second_family_comes_and_goes_by_policy() -> None:
    addresses = ServiceAddresses(DUAL)
    old = service()
    addresses.reserve(old).confirm()
    both = changed(old, ipFamilyPolicy="PreferDualStack")
    addresses.reserve(both, old).confirm()
    assert both["spec"]["clusterIPs"][0] == old["spec"]["clusterIP"]
    assert len(both["spec"]["clusterIPs"]) == 2
    again = changed(both, ipFamilyPolicy="SingleStack")
    addresses.reserve(again, both).confirm()
    assert again["spec"]["clusterIPs"] == [old["spec"]["clusterIP"]]
    assert again["spec"]["ipFamilies"] == ["IPv4"]
    asks = service(clusterIP=both["spec"]["clusterIPs"][1])
    assert not addresses.reserve(asks).causes


def test_an_update_without_addresses_keeps_them() -> None:
    addresses = ServiceAddresses(DUAL)
    old = service()
    addresses.reserve(old).confirm()
    new = changed(old, clusterIP=None, clusterIPs=None, ipFamilies=None, ipFamilyPolicy=None)
    assert not addresses.reserve(new, old).causes
    assert new["spec"]["clusterIPs"] == old["spec"]["clusterIPs"]
