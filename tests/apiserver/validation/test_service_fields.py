"""Fields of Services by which traffic comes and is spread: each right value and its wrong neighbours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.validation.objects import make, problems

SERVICE = "v1 Service"
TYPE = "spec.type"
BALANCER = {TYPE: "LoadBalancer"}
ONLY_BALANCER = "may only be used when `type` is 'LoadBalancer'"
RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
IDLE = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
BOUNDS = "must be greater than 0 and less than 86400"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"spec.sessionAffinity": "ClientIP"}, []),
        (
            {"spec.sessionAffinity": "ClientIP", "spec.sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86400}}},
            [],
        ),
        (
            {"spec.sessionAffinity": "ClientIP", "spec.sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}},
            [f"{IDLE}: Invalid value: 86401: {BOUNDS}"],
        ),
        (
            {"spec.sessionAffinity": "ClientIP", "spec.sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}},
            [f"{IDLE}: Invalid value: 0: {BOUNDS}"],
        ),
        (
            {"spec.sessionAffinity": "Cookie"},
            ['spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'],
        ),
        ({"spec.internalTrafficPolicy": "Local"}, []),
        (
            {"spec.internalTrafficPolicy": "Zone"},
            ['spec.internalTrafficPolicy: Unsupported value: "Zone": supported values: "Cluster", "Local"'],
        ),
        ({TYPE: "NodePort", "spec.externalTrafficPolicy": "Local"}, []),
        (
            {TYPE: "NodePort", "spec.externalTrafficPolicy": "Zone"},
            ['spec.externalTrafficPolicy: Unsupported value: "Zone": supported values: "Cluster", "Local"'],
        ),
        (
            {"spec.externalTrafficPolicy": "Local"},
            ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
        ),
        ({"spec.externalIPs": ["192.0.2.1"], "spec.externalTrafficPolicy": "Local"}, []),
        (
            {TYPE: "NodePort", "spec.healthCheckNodePort": 31000},
            [
                (
                    "spec.healthCheckNodePort: Invalid value: 31000: "
                    "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
                )
            ],
        ),
        ({**BALANCER, "spec.externalTrafficPolicy": "Local", "spec.healthCheckNodePort": 31000}, []),
        ({**BALANCER, "spec.externalTrafficPolicy": "Local"}, ["spec.healthCheckNodePort: Required value"]),
        *[({"spec.trafficDistribution": value}, []) for value in ("PreferClose", "PreferSameZone", "PreferSameNode")],
        (
            {"spec.trafficDistribution": "Nearest"},
            [
                (
                    'spec.trafficDistribution: Unsupported value: "Nearest": supported values: '
                    '"PreferClose", "PreferSameZone", "PreferSameNode"'
                )
            ],
        ),
        ({**BALANCER, "spec.allocateLoadBalancerNodePorts": False}, []),
        (
            {"spec.allocateLoadBalancerNodePorts": True},
            [f"spec.allocateLoadBalancerNodePorts: Forbidden: {ONLY_BALANCER}"],
        ),
        ({**BALANCER, "spec.loadBalancerClass": "example.com/a"}, []),
        ({"spec.loadBalancerClass": "example.com/a"}, [f"spec.loadBalancerClass: Forbidden: {ONLY_BALANCER}"]),
        ({**BALANCER, "spec.loadBalancerIP": "192.0.2.1"}, []),
        ({**BALANCER, "spec.loadBalancerSourceRanges": ["10.0.0.0/8", " fd00::/8 "]}, []),
        (
            {"spec.loadBalancerSourceRanges": ["10.0.0.0/8"]},
            [f"spec.LoadBalancerSourceRanges: Forbidden: {ONLY_BALANCER}"],
        ),
        (
            {**BALANCER, "spec.loadBalancerSourceRanges": ["10.0.0.1/8", "10.0.0.1"]},
            [
                (
                    'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": '
                    "must not have bits set beyond the prefix length"
                ),
                (
                    'spec.LoadBalancerSourceRanges[1]: Invalid value: "10.0.0.1": '
                    "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
                ),
            ],
        ),
        ({**BALANCER, "metadata.annotations": {RANGES: "10.0.0.0/8, 192.168.0.0/16"}}, []),
        (
            {"metadata.annotations": {RANGES: "10.0.0.0/8"}},
            [f"metadata.annotations[{RANGES}]: Forbidden: {ONLY_BALANCER}"],
        ),
        (
            {**BALANCER, "metadata.annotations": {RANGES: "10.0.0.0"}},
            [
                (
                    f'metadata.annotations[{RANGES}]: Invalid value: "10.0.0.0": '
                    "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
                )
            ],
        ),
        ({"metadata.annotations": {HINTS: "Auto", MODE: "Auto"}}, []),
        (
            {"metadata.annotations": {HINTS: "Auto", MODE: "Disabled"}},
            [
                (
                    f'metadata.annotations[{MODE}]: Invalid value: "Disabled": '
                    f"must match annotations[{HINTS}] when both are specified"
                )
            ],
        ),
    ],
)
def test_fields_of_traffic(changes: dict[str, Any], expected: list[str]) -> None:
    assert problems(SERVICE, changes) == expected


def test_addresses_and_ranges_that_are_stored_stay_valid() -> None:
    held = {**BALANCER, "spec.externalIPs": ["192.0.2.010"], "spec.loadBalancerSourceRanges": ["10.0.0.1/8"]}
    assert len(problems(SERVICE, held)) == 2
    old = make(SERVICE, held)
    assert problems(SERVICE, held, old) == []


STACKS = {
    "spec.clusterIP": "10.96.0.8",
    "spec.clusterIPs": ["10.96.0.8", "fd00::8"],
    "spec.ipFamilies": ["IPv4", "IPv6"],
}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("SingleStack", []),
        (
            "PreferDualStack",
            [
                (
                    'spec.ipFamilyPolicy: Invalid value: "PreferDualStack": '
                    "must be set to 'SingleStack' when releasing the secondary clusterIP"
                ),
                (
                    'spec.ipFamilyPolicy: Invalid value: "PreferDualStack": '
                    "must be set to 'SingleStack' when releasing the secondary ipFamily"
                ),
            ],
        ),
    ],
)
def test_the_second_family_is_released_by_the_policy(policy: str, expected: list[str]) -> None:
    single = {"spec.clusterIP": "10.96.0.8", "spec.clusterIPs": ["10.96.0.8"], "spec.ipFamilies": ["IPv4"]}
    old = make(SERVICE, {**STACKS, "spec.ipFamilyPolicy": "PreferDualStack"})
    assert problems(SERVICE, {**single, "spec.ipFamilyPolicy": policy}, old) == expected


def test_families_may_not_change_their_order() -> None:
    old = make(SERVICE, STACKS)
    wanted = {**STACKS, "spec.ipFamilies": ["IPv6", "IPv4"]}
    assert 'spec.ipFamilies[0]: Invalid value: ["IPv6","IPv4"]: may not change once set' in problems(
        SERVICE, wanted, old
    )
