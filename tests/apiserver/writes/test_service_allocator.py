from ipaddress import IPv4Network

import pytest

from podwire.apiserver.writes.service_allocator import ServiceAddresses, ServiceRanges
from tests.apiserver.writes.services import DUAL, SINGLE, changed, failure, service, texts


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
def test_both_policies_of_two_stacks_give_both_families(policy: str) -> None:
    obj = service(ipFamilyPolicy=policy)
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert obj["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert obj["spec"]["clusterIPs"][1].startswith("fd00:10:96::")


def test_ipv6_can_be_the_first_family() -> None:
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
def test_an_address_of_the_static_band_can_be_requested_once(address: str) -> None:
    addresses = ServiceAddresses(DUAL)
    assert not addresses.reserve(service(clusterIP=address)).causes
    assert texts(addresses.reserve(service(clusterIP=address))) == [
        (
            f'spec.clusterIPs: Invalid value: ["{address}"]: '
            f"failed to allocate IP {address}: provided IP is already allocated"
        )
    ]


def test_an_address_of_each_family_can_be_requested() -> None:
    obj = service(clusterIP="10.96.0.10", clusterIPs=["10.96.0.10", "fd00:10:96::a"], ipFamilyPolicy="RequireDualStack")
    assert not ServiceAddresses(DUAL).reserve(obj).causes
    assert obj["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert obj["spec"]["clusterIPs"] == ["10.96.0.10", "fd00:10:96::a"]


@pytest.mark.parametrize("address", ["10.97.0.1", "10.96.0.0", "10.96.255.255"])
def test_an_address_of_no_range_is_refused(address: str) -> None:
    assert texts(ServiceAddresses(DUAL).reserve(service(clusterIP=address))) == [
        (
            f'spec.clusterIPs: Invalid value: ["{address}"]: failed to allocate IP {address}: '
            "the provided network does not match the current range"
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
    assert failure(addresses.reserve(service())) == ('failed to allocate a serviceIP for Service "web": range is full')


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


def test_a_second_family_is_added_and_released_by_policy() -> None:
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
    requested = service(clusterIP=both["spec"]["clusterIPs"][1])
    assert not addresses.reserve(requested).causes


def test_an_update_without_addresses_keeps_them() -> None:
    addresses = ServiceAddresses(DUAL)
    old = service()
    addresses.reserve(old).confirm()
    new = changed(old, clusterIP=None, clusterIPs=None, ipFamilies=None, ipFamilyPolicy=None)
    assert not addresses.reserve(new, old).causes
    assert new["spec"]["clusterIPs"] == old["spec"]["clusterIPs"]


def test_a_preference_that_does_not_change_is_no_upgrade() -> None:
    single = ServiceAddresses(ServiceRanges((IPv4Network("10.96.0.0/16"),)))
    old = service(ipFamilyPolicy="PreferDualStack")
    assert not single.reserve(old).causes
    addresses = ServiceAddresses(DUAL)
    addresses.restore([old])
    same = changed(old, selector={"a": "b"})
    assert addresses.reserve(same, old).refusal is None
    assert same["spec"]["ipFamilies"] == ["IPv4"]
    required = changed(old, ipFamilyPolicy="RequireDualStack")
    assert addresses.reserve(required, old).refusal is None
    assert required["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert required["spec"]["clusterIPs"][0] == old["spec"]["clusterIP"]


@pytest.mark.parametrize(
    ("part", "kept", "message"),
    [
        ("clusterIPs", slice(0, 1), "must be 'SingleStack' to release the secondary cluster IP"),
        ("ipFamilies", slice(0, 1), "must be 'SingleStack' to release the secondary IP family"),
    ],
)
def test_a_family_is_released_by_policy_only(part: str, kept: slice, message: str) -> None:
    addresses = ServiceAddresses(DUAL)
    old = service(ipFamilyPolicy="RequireDualStack")
    addresses.reserve(old).confirm()
    reduced = changed(old, **{part: old["spec"][part][kept]})
    assert texts(addresses.reserve(reduced, old)) == [
        f'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": {message}'
    ]


def test_a_changed_address_is_left_to_validation() -> None:
    addresses = ServiceAddresses(DUAL)
    addresses.reserve(service(clusterIP="10.96.0.9")).confirm()
    old = service(clusterIP="10.96.0.8")
    addresses.reserve(old).confirm()
    wanted = changed(old, clusterIP="10.96.0.9", clusterIPs=["10.96.0.9"])
    assert addresses.reserve(wanted, old).refusal is None


def test_an_external_name_gets_addresses_when_it_becomes_another_type_and_releases_them() -> None:
    addresses = ServiceAddresses(DUAL)
    old = service(type="ExternalName", externalName="example.com")
    addresses.reserve(old).confirm()
    given = changed(old, type="ClusterIP", clusterIP="10.96.0.10")
    assert addresses.reserve(given, old).refusal is None
    assert given["spec"]["ipFamilies"] == ["IPv4"]
    again = changed(given, type="ExternalName")
    addresses.reserve(again, given).confirm()
    assert not {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"} & again["spec"].keys()
    assert addresses.reserve(service(clusterIP="10.96.0.10")).refusal is None


def test_an_address_that_two_stored_services_have_is_free_when_both_are_gone() -> None:
    obj = service(clusterIP="10.96.0.10")
    ServiceAddresses(DUAL).reserve(obj).confirm()
    addresses = ServiceAddresses(DUAL)
    addresses.restore([obj, obj])
    addresses.release(obj)
    assert addresses.reserve(service(clusterIP="10.96.0.10")).causes
    addresses.release(obj)
    assert not addresses.reserve(service(clusterIP="10.96.0.10")).causes
