import copy
from typing import Any

import pytest

from tests.apiserver.validation.objects import make, problems


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints.0.addresses",
            ["127.0.0.1"],
            (
                'endpoints[0].addresses[0]: Invalid value: "127.0.0.1": may not be in the loopback range '
                "(127.0.0.0/8, ::1/128)"
            ),
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints.0.addresses",
            ["169.254.169.254"],
            (
                'endpoints[0].addresses[0]: Invalid value: "169.254.169.254": may not be in the link-local range '
                "(169.254.0.0/16, fe80::/10)"
            ),
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints.0.addresses",
            ["224.0.0.1"],
            (
                'endpoints[0].addresses[0]: Invalid value: "224.0.0.1": may not be in the link-local multicast range '
                "(224.0.0.0/24, ff02::/10)"
            ),
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints.0.addresses",
            ["0.0.0.0"],
            'endpoints[0].addresses[0]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints.0.addresses",
            ["010.1.2.3"],
            'endpoints[0].addresses[0]: Invalid value: "010.1.2.3": must not have leading 0s',
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints.0.addresses",
            ["fd00::1"],
            'endpoints[0].addresses: Invalid value: "fd00::1": must be an IPv4 address',
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "endpoints.0.addresses",
            [],
            "endpoints[0].addresses: Required value: must contain at least 1 address",
        ),
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "addressType",
            "IP",
            'addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6"',
        ),
    ],
)
def test_wrong_values_are_reported_in_upstreams_words(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value})


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        (
            "discovery.k8s.io/v1 EndpointSlice",
            "addressType",
            "IPv6",
            'addressType: Invalid value: "IPv6": field is immutable',
        ),
    ],
)
def test_what_may_not_change_is_refused(name: str, path: str, value: Any, expected: str) -> None:
    assert expected in problems(name, {path: value}, make(name))


def test_endpoints_that_stay_as_they_were_are_not_checked_again() -> None:
    """They were right when they were stored; those that differ in any field are checked."""
    name = "discovery.k8s.io/v1 EndpointSlice"
    old = make(name, {"endpoints": [{"addresses": ["127.0.0.1"]}, {"addresses": ["10.1.1.1"]}]})
    shifted = [{"addresses": ["10.1.1.1"]}, {"addresses": ["127.0.0.1"]}]
    assert problems(name, {"endpoints": shifted}, copy.deepcopy(old)) == []
    for wrong in ({"addresses": ["127.0.0.1"], "hostname": "A"}, {"addresses": ["127.0.0.2"]}):
        found = problems(name, {"endpoints": [*shifted, wrong]}, copy.deepcopy(old))
        assert any("endpoints[2].addresses[0]" in cause for cause in found)
    found = problems(name, {"addressType": "IPv6", "endpoints": shifted}, copy.deepcopy(old))
    assert any("must be an IPv6 address" in cause for cause in found), "of another type each is checked"
