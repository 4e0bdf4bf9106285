"""The endpoint of the xDS server's Service."""

from __future__ import annotations

from podwire.edge.controller.xds_service import SERVICE, slices


def addresses(*own: str) -> dict[str, list[str]]:
    return {
        body["addressType"]: [one for end in body["endpoints"] for one in end["addresses"]]
        for body in slices(own, 18000).values()
    }


def test_the_leader_is_the_only_endpoint_of_each_family() -> None:
    assert addresses("10.0.0.1", "fd00::1") == {"IPv4": ["10.0.0.1"], "IPv6": ["fd00::1"]}


def test_a_family_without_an_address_has_no_endpoint_of_an_earlier_leader() -> None:
    assert addresses("10.0.0.1") == {"IPv4": ["10.0.0.1"], "IPv6": []}


def test_two_leaders_write_the_same_objects() -> None:
    assert slices(("10.0.0.1",), 18000).keys() == slices(("10.0.0.2", "fd00::2"), 18000).keys()
    labels = {body["metadata"]["labels"]["kubernetes.io/service-name"] for body in slices((), 1).values()}
    assert labels == {SERVICE}
