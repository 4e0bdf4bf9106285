"""What an update keeps of a Service and what it clears, case by case as upstream's strategy has it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from podwire.apiserver.writes import service_strategy

Object = dict[str, Any]

GONE = "(removed)"
STACKS: Object = {
    "clusterIP": "10.96.0.8",
    "clusterIPs": ["10.96.0.8", "fd00::8"],
    "ipFamilies": ["IPv4", "IPv6"],
    "ipFamilyPolicy": "PreferDualStack",
}
PLAIN: Object = {"type": "ClusterIP", "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}], **STACKS}
NODE_PORTS = [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81, "nodePort": 30081}]
NODE_PORT: Object = {**PLAIN, "type": "NodePort", "ports": NODE_PORTS, "externalTrafficPolicy": "Cluster"}
BALANCER: Object = {
    **NODE_PORT,
    "type": "LoadBalancer",
    "externalTrafficPolicy": "Local",
    "healthCheckNodePort": 31000,
    "allocateLoadBalancerNodePorts": True,
    "loadBalancerClass": "example.com/a",
}


def updated(old: Object, change: Object) -> Object:
    """The spec after a write of the old one with this change."""
    spec = {name: value for name, value in {**copy.deepcopy(old), **change}.items() if value != GONE}
    obj = {"spec": spec, "status": {"loadBalancer": {}}}
    service_strategy.before_update(obj, {"spec": old, "status": {"loadBalancer": {}}})
    return spec


def numbers(spec: Object) -> list[int]:
    return [port.get("nodePort", 0) for port in spec["ports"]]


@pytest.mark.parametrize(
    ("old", "change", "left"),
    [
        (PLAIN, {}, STACKS),
        (PLAIN, {"type": "ExternalName"}, {}),
        (
            PLAIN,
            {"type": "ExternalName", "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]},
            {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"]},
        ),
        (PLAIN, {"type": "ExternalName", "ipFamilies": ["IPv6"]}, {"ipFamilies": ["IPv6"]}),
        (PLAIN, {"type": "ExternalName", "ipFamilyPolicy": "SingleStack"}, {"ipFamilyPolicy": "SingleStack"}),
    ],
)
def test_addresses_and_families_are_cleared_where_they_were_not_changed(
    old: Object, change: Object, left: Object
) -> None:
    assert {name: value for name, value in updated(old, change).items() if name in STACKS} == left


@pytest.mark.parametrize(
    ("old", "change", "left"),
    [
        (BALANCER, {"type": "NodePort"}, [30080, 30081]),
        (BALANCER, {"type": "ClusterIP"}, [0, 0]),
        (BALANCER, {"type": "ExternalName"}, [0, 0]),
        (NODE_PORT, {"type": "ClusterIP", "ports": [*NODE_PORTS, {"name": "c", "port": 82}]}, [0, 0, 0]),
        (NODE_PORT, {"type": "ClusterIP", "ports": NODE_PORTS[:1]}, [0]),
        (NODE_PORT, {"type": "ClusterIP", "ports": [{**NODE_PORTS[0], "port": 90, "protocol": "UDP"}]}, [0]),
        (
            NODE_PORT,
            {"type": "ClusterIP", "ports": [NODE_PORTS[0], {**NODE_PORTS[1], "nodePort": 30099}]},
            [30080, 30099],
        ),
    ],
)
def test_node_ports_are_cleared_unless_one_is_new(old: Object, change: Object, left: list[int]) -> None:
    assert numbers(updated(old, copy.deepcopy(change))) == left


@pytest.mark.parametrize(
    ("change", "name", "left"),
    [
        ({}, "healthCheckNodePort", 31000),
        ({"type": "ClusterIP"}, "healthCheckNodePort", GONE),
        ({"externalTrafficPolicy": "Cluster"}, "healthCheckNodePort", GONE),
        ({"type": "ClusterIP", "healthCheckNodePort": 31001}, "healthCheckNodePort", 31001),
        ({"healthCheckNodePort": GONE}, "healthCheckNodePort", 31000),
        ({"type": "NodePort"}, "allocateLoadBalancerNodePorts", GONE),
        ({"type": "NodePort", "allocateLoadBalancerNodePorts": False}, "allocateLoadBalancerNodePorts", False),
        ({"type": "ClusterIP"}, "loadBalancerClass", GONE),
        ({"loadBalancerClass": "example.com/b"}, "loadBalancerClass", "example.com/b"),
        ({"loadBalancerClass": GONE}, "loadBalancerClass", GONE),
        ({"type": "ClusterIP", "loadBalancerClass": "example.com/b"}, "loadBalancerClass", "example.com/b"),
        ({"type": "ClusterIP"}, "externalTrafficPolicy", GONE),
        ({"type": "ClusterIP", "externalTrafficPolicy": "Cluster"}, "externalTrafficPolicy", "Cluster"),
        ({"type": "ClusterIP", "externalIPs": ["192.0.2.1"]}, "externalTrafficPolicy", "Local"),
        ({"type": "NodePort"}, "externalTrafficPolicy", "Local"),
    ],
)
def test_fields_of_a_balancer_are_cleared_with_their_use(change: Object, name: str, left: Any) -> None:
    assert updated(BALANCER, change).get(name, GONE) == left


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"clusterIP": GONE, "clusterIPs": GONE}, STACKS["clusterIPs"]),
        ({"clusterIPs": GONE}, STACKS["clusterIPs"]),
        ({"clusterIP": GONE}, STACKS["clusterIPs"]),
        ({"clusterIP": "10.96.0.9"}, ["10.96.0.9"]),
        ({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "fd00::9"]}, ["10.96.0.9", "fd00::9"]),
    ],
)
def test_cluster_addresses_are_kept_and_follow_the_first(change: Object, left: list[str]) -> None:
    assert updated(PLAIN, change)["clusterIPs"] == left


def test_the_first_address_of_a_former_external_name_is_that_of_the_list() -> None:
    old = {"type": "ExternalName", "externalName": "a.b", "ports": []}
    assert updated(old, {"type": "ClusterIP", "clusterIP": "10.96.0.9"})["clusterIPs"] == ["10.96.0.9"]


@pytest.mark.parametrize(("policy", "left"), [("Local", GONE), ("Cluster", GONE), ("Zone", "Zone")])
def test_an_external_name_has_no_internal_policy_and_a_wrong_one_is_left_to_validation(policy: str, left: str) -> None:
    spec: Object = {"type": "ExternalName", "internalTrafficPolicy": policy}
    service_strategy.before_create(spec)
    assert spec.get("internalTrafficPolicy", GONE) == left


def test_empty_and_zero_values_are_left_out_as_by_go() -> None:
    spec: Object = {
        "type": "ClusterIP",
        "clusterIP": "",
        "loadBalancerIP": "",
        "healthCheckNodePort": 0,
        "publishNotReadyAddresses": False,
        "allocateLoadBalancerNodePorts": False,
        "ports": [{"name": "", "port": 80, "nodePort": 0}],
    }
    service_strategy.before_create(spec)
    assert spec == {"type": "ClusterIP", "allocateLoadBalancerNodePorts": False, "ports": [{"port": 80}]}


@pytest.mark.parametrize(
    ("kind", "sent", "left"),
    [
        ("ClusterIP", [{"ip": "192.0.2.1"}], []),
        ("LoadBalancer", [{"ip": "192.0.2.1"}], [{"ip": "192.0.2.1"}]),
        ("ClusterIP", [{"ip": "192.0.2.2"}], [{"ip": "192.0.2.2"}]),
    ],
)
def test_addresses_of_a_balancer_are_cleared_unless_they_are_what_is_written(
    kind: str, sent: list[Object], left: list[Object]
) -> None:
    old = {"spec": BALANCER, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    obj: Object = {"spec": {**copy.deepcopy(BALANCER), "type": kind}, "status": {"loadBalancer": {"ingress": sent}}}
    service_strategy.before_update(obj, old)
    assert obj["status"]["loadBalancer"].get("ingress", []) == left
