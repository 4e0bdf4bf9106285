from __future__ import annotations

import msgspec

from podwire.edge.controller import gateway_service
from podwire.edge.controller.addresses import addresses_of, owner_of
from podwire.edge.controller.gateway_service import GatewayFront
from podwire.kube.core import Pod
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service

FRONT = GatewayFront(
    NamespacedName("shop", "edge"),
    "uid-1",
    "podwire",
    {(80, "TCP"): 10000, (53, "UDP"): 10001},
    labels={"team": "web", "gateway.networking.k8s.io/gateway-name": "stolen"},
    annotations={"note": "x"},
)


def pod(name: str, *addresses: str, ready: bool = True, ends: bool = False) -> Pod:
    metadata = {"name": name, "namespace": "podwire-system", "uid": name}
    status = {
        "podIPs": [{"ip": one} for one in addresses],
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }
    ending = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if ends else {}
    return msgspec.convert({"metadata": {**metadata, **ending}, "spec": {"nodeName": "n"}, "status": status}, Pod)


def test_the_service_is_the_gateways_own_and_selects_nothing() -> None:
    body = gateway_service.service(FRONT)

    assert body["metadata"]["name"] == "edge-podwire"
    assert body["metadata"]["labels"]["team"] == "web"
    assert body["metadata"]["annotations"] == {"note": "x"}
    assert "selector" not in body["spec"]
    assert {one["port"]: one["targetPort"] for one in body["spec"]["ports"]} == {80: 10000, 53: 10001}
    assert "loadBalancerIP" not in body["spec"]
    assert body["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    assert owner_of(msgspec.convert(body, Service)) == FRONT.key


def test_a_label_of_a_user_does_not_replace_the_one_that_names_the_gateway() -> None:
    labels = gateway_service.service(FRONT)["metadata"]["labels"]

    assert labels["gateway.networking.k8s.io/gateway-name"] == "edge"


def test_a_static_address_is_requested() -> None:
    body = gateway_service.service(msgspec.structs.replace(FRONT, addresses=("192.0.2.7",)))

    assert body["spec"]["loadBalancerIP"] == "192.0.2.7"
    assert body["spec"]["ipFamilyPolicy"] == "SingleStack"
    assert body["spec"]["ipFamilies"] == ["IPv4"]


def test_addresses_of_both_families_are_requested_together() -> None:
    body = gateway_service.service(msgspec.structs.replace(FRONT, addresses=("192.0.2.7", "2001:db8::7")))

    assert body["metadata"]["annotations"] == {"note": "x", "podwire.dev/load-balancer-ips": "192.0.2.7,2001:db8::7"}
    assert body["spec"]["ipFamilyPolicy"] == "RequireDualStack"
    assert "ipFamilies" not in body["spec"]


def test_names_are_valid_and_differ_for_long_gateways() -> None:
    long = [msgspec.structs.replace(FRONT, key=NamespacedName("shop", "x" * 70 + end)) for end in "ab"]

    names = [gateway_service.name_of(one).name for one in (FRONT, *long)]

    assert len(set(names)) == 3
    assert all(len(name) <= 63 and "." not in name for name in names)


def test_slices_have_the_envoys_of_both_families_with_their_conditions() -> None:
    pods = [
        pod("b", "10.0.0.2", "fd00::2"),
        pod("a", "10.0.0.1", "fd00::1", ready=False),
        pod("c", "10.0.0.3", ends=True),
    ]

    found = gateway_service.slices(FRONT, pods)

    four = found["edge-podwire-ipv4"]
    assert [one["addresses"] for one in four["endpoints"]] == [["10.0.0.1"], ["10.0.0.2"], ["10.0.0.3"]]
    conditions = [one["conditions"] for one in four["endpoints"]]
    assert [one["ready"] for one in conditions] == [False, True, False]
    assert conditions[2] == {"ready": False, "serving": True, "terminating": True}
    assert [one["addresses"] for one in found["edge-podwire-ipv6"]["endpoints"]] == [["fd00::1"], ["fd00::2"]]
    assert {(one["port"], one["protocol"]) for one in four["ports"]} == {(10000, "TCP"), (10001, "UDP")}


def test_an_object_that_no_gateway_owns_has_no_owner() -> None:
    body = gateway_service.service(FRONT)
    del body["metadata"]["ownerReferences"]

    assert owner_of(msgspec.convert(body, Service)) is None


def test_addresses_are_those_of_the_load_balancer() -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]}}

    assert addresses_of(msgspec.convert({"status": status}, Service)) == ("192.0.2.1", "lb.example.com")
    assert addresses_of(None) == ()
