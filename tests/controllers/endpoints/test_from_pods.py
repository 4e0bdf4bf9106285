from typing import Any

import pytest

from podwire.controllers.endpoints import from_pods
from podwire.kube.core import Pod
from podwire.kube.discovery import EndpointConditions
from tests.controllers.build import pod, service

BOTH = ["10.244.1.5", "fd00:10:244:1::5"]


def conditions(ready: bool, serving: bool, terminating: bool) -> EndpointConditions:
    return EndpointConditions(ready=ready, serving=serving, terminating=terminating)


@pytest.mark.parametrize(
    ("state", "publish", "expected"),
    [
        ({}, False, conditions(True, True, False)),
        ({"ready": False}, False, conditions(False, False, False)),
        ({"ending": True}, False, conditions(False, True, True)),
        ({"ending": True, "ready": False}, False, conditions(False, False, True)),
        ({"ready": False}, True, conditions(True, False, False)),
        ({"ending": True}, True, conditions(True, True, True)),
    ],
)
def test_conditions(state: dict[str, Any], publish: bool, expected: EndpointConditions) -> None:
    item = service(publishNotReadyAddresses=publish)
    assert from_pods.endpoint(item, pod(**state), "10.244.1.5", "").conditions == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (pod(), {"IPv4": "10.244.1.5"}),
        (pod(ready=False), {"IPv4": "10.244.1.5"}),
        (pod(ips=BOTH), dict(zip(("IPv4", "IPv6"), BOTH, strict=True))),
        (pod(ips=["10.244.1.5", "10.244.1.6"]), {"IPv4": "10.244.1.5"}),
        (pod(ips=[]), {}),
        (pod(phase="Failed"), {}),
        (pod(ips=["127.0.0.1", "169.254.1.1", "fe80::1", "::ffff:127.0.0.1", "::", "224.0.0.1", "10.0.0.300"]), {}),
    ],
)
def test_only_addresses_that_a_service_may_lead_to_count(item: Pod, expected: dict[str, str]) -> None:
    assert from_pods.addresses(item) == expected


CONTAINERS = [{"name": "c", "ports": [{"name": "http", "containerPort": 8080}]}]
SIDECARS = [{"name": "s", "restartPolicy": "Always", "ports": [{"name": "http", "containerPort": 9090}]}]
ONCE = [{"name": "i", "ports": [{"name": "http", "containerPort": 9090}]}]


@pytest.mark.parametrize(
    ("port", "spec", "expected"),
    [
        ({"port": 80}, {}, 80),
        ({"port": 80, "targetPort": 8080}, {}, 8080),
        ({"port": 80, "targetPort": "http"}, {"containers": CONTAINERS}, 8080),
        ({"port": 80, "targetPort": "http"}, {"initContainers": SIDECARS}, 9090),
        ({"port": 80, "targetPort": "http"}, {"initContainers": ONCE}, None),
        ({"port": 80, "targetPort": "http", "protocol": "UDP"}, {"containers": CONTAINERS}, None),
        ({"port": 80, "targetPort": "other"}, {"containers": CONTAINERS}, None),
    ],
)
def test_target_ports(port: dict[str, Any], spec: dict[str, Any], expected: int | None) -> None:
    assert from_pods.target(service(ports=[port]).spec.ports[0], pod(spec=spec).spec) == expected


def test_pods_whose_named_port_differs_are_in_groups_of_their_own() -> None:
    other = [{"name": "c", "ports": [{"name": "http", "containerPort": 8081}]}]
    named = service(ports=[{"port": 80, "targetPort": "http"}])
    pods = [pod("a", spec={"containers": CONTAINERS}), pod("b", spec={"containers": other})]
    groups = from_pods.desired(named, pods, lambda _: "", "IPv4")
    assert {ports[0].port: len(found) for ports, found in groups.items()} == {8080: 1, 8081: 1}
    assert groups == from_pods.desired(named, pods[::-1], lambda _: "", "IPv4")


def test_each_family_has_its_own_address_and_the_zone_comes_from_the_node() -> None:
    zones = {"node-1": "north"}
    for family, address in zip(("IPv4", "IPv6"), BOTH, strict=True):
        (found,) = from_pods.desired(service(), [pod(ips=BOTH)], lambda node: zones[node], family).values()
        assert (found[0].addresses, found[0].zone) == ((address,), "north")
    assert from_pods.desired(service(), [pod(ips=BOTH[:1])], lambda _: "", "IPv6") == {}


@pytest.mark.parametrize(("subdomain", "expected"), [("web", "db-0"), ("other", ""), ("", "")])
def test_a_hostname_counts_only_under_its_own_service(subdomain: str, expected: str) -> None:
    named = pod(spec={"hostname": "db-0", "subdomain": subdomain})
    assert from_pods.endpoint(service(), named, "10.244.1.5", "").hostname == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"ipFamilies": ["IPv6", "IPv4"]}, ("IPv6", "IPv4")),
        ({"clusterIPs": ["10.96.0.5", "fd00:10:96::5"]}, ("IPv4", "IPv6")),
        ({"clusterIP": "None"}, ("IPv4",)),
    ],
)
def test_families(spec: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert from_pods.families(service(**spec)) == expected
