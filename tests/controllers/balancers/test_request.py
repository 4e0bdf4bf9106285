from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from podwire.controllers.balancers.provider import BalancerError
from podwire.controllers.balancers.request import (
    ALLOW_SHARED_IP,
    AWS_INTERNAL,
    AWS_SCHEME,
    AWS_TYPE,
    AZURE_INTERNAL,
    GKE_TYPES,
    is_internal,
    request,
)
from podwire.kube.services import BALANCER_IPS
from tests.controllers.balancers.build import balanced

BOTH = ["IPv4", "IPv6"]


@pytest.mark.parametrize(
    ("annotations", "internal"),
    [
        ({}, False),
        ({AWS_SCHEME: "internal"}, True),
        ({AWS_SCHEME: "internet-facing"}, False),
        ({AWS_SCHEME: "internet-facing", AWS_INTERNAL: "true"}, False),
        ({AWS_INTERNAL: "true"}, True),
        ({AWS_INTERNAL: "0.0.0.0/0"}, True),
        ({AWS_INTERNAL: "false"}, False),
        ({AWS_TYPE: "nlb"}, False),
        ({AWS_TYPE: "external"}, True),
        ({AWS_TYPE: "nlb-ip"}, True),
        ({AWS_TYPE: "external", AWS_SCHEME: "internet-facing"}, False),
        ({GKE_TYPES[0]: "Internal"}, True),
        ({GKE_TYPES[1]: "internal"}, True),
        ({GKE_TYPES[0]: "External"}, False),
        ({AZURE_INTERNAL: "true"}, True),
        ({AZURE_INTERNAL: "false"}, False),
    ],
)
def test_the_clouds_annotations_for_internal(annotations: dict[str, str], internal: bool) -> None:
    assert is_internal(annotations) is internal


@pytest.mark.parametrize(
    ("spec", "addresses"),
    [
        ({}, ()),
        ({"loadBalancerIP": "10.0.0.5"}, ("10.0.0.5",)),
        ({"annotations": {BALANCER_IPS: "10.0.0.5, fd00::5"}, "ipFamilies": BOTH}, ("10.0.0.5", "fd00::5")),
        ({"annotations": {BALANCER_IPS: "10.0.0.5"}, "loadBalancerIP": "10.0.0.5"}, ("10.0.0.5",)),
    ],
)
def test_requested_addresses(spec: dict[str, Any], addresses: tuple[str, ...]) -> None:
    assert request(balanced(**spec)).addresses == tuple(map(ip_address, addresses))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"loadBalancerIP": "shop"}, "spec.loadBalancerIP: 'shop' is not an IP address"),
        (
            {"loadBalancerIP": "fd00::5%lo", "ipFamilies": BOTH},
            "'fd00::5%lo' is not an IP address that a load balancer",
        ),
        ({"loadBalancerIP": "fd00::5"}, "spec.loadBalancerIP fd00::5: the Service has no IPv6; add it to spec.ipFam"),
        ({"annotations": {BALANCER_IPS: "10.0.0.5,10.0.0.6"}}, "two addresses of one family"),
        ({"annotations": {BALANCER_IPS: "10.0.0.5"}, "loadBalancerIP": "10.0.0.6"}, "remove one of them"),
        ({"annotations": {AWS_SCHEME: "private"}}, "'private' is unknown; use internal or internet-facing"),
    ],
)
def test_contradictions_are_refused_with_a_remedy(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(BalancerError, match=message) as refusal:
        request(balanced(**spec))
    assert refusal.value.reason == "AllocationFailed"


LOCAL: dict[str, Any] = {"externalTrafficPolicy": "Local", "selector": {"app": "web"}}


def shared(name: str, port: int = 80, protocol: str = "TCP", key: str = "k", **spec: Any) -> dict[str, Any]:
    ports = [{"port": port, "protocol": protocol}]
    return {"name": name, "annotations": {ALLOW_SHARED_IP: key} if key else {}, "ports": ports, **spec}


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        (shared("a"), shared("b", 81), ""),
        (shared("a"), shared("b", protocol="UDP"), ""),
        (shared("a"), shared("b"), "both use port 80/TCP"),
        (shared("a"), shared("b", 81, key="other"), "differ"),
        (shared("a"), shared("b", 81, key=""), "not both"),
        (shared("a", key=""), shared("b", 81, key=""), "not both"),
        (shared("a", **LOCAL), shared("b", 81, **LOCAL), ""),
        (shared("a", **LOCAL), shared("b", 81, **{**LOCAL, "selector": {"app": "db"}}), "the same selector"),
        (shared("a", **LOCAL), shared("b", 81, selector={"app": "web"}), "the same selector"),
    ],
)
def test_which_services_may_share_an_address(one: dict[str, Any], other: dict[str, Any], conflict: str) -> None:
    first, second = (request(balanced(**spec)).sharing for spec in (one, other))
    for reason in (first.conflict(second), second.conflict(first)):
        assert (conflict in reason) if conflict else not reason
