import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.kube.addresses import canonical, parsed, parsed_network, usable

SPECIAL = """
127.0.0.1 169.254.169.254 0.0.0.0 0.1.2.3 224.0.0.1 240.0.0.1 255.255.255.255
::1 ::5 :: fe80::1 fe80::1%eth0 febf::1 ff02::1 ::ffff:127.0.0.1 ::127.0.0.1 fd00::1%x
"""
NO_ADDRESS = (
    *(
        "",
        "web",
        "10.0.0.256",
        "10.0.0.0/8",
        "fd00::1}",
        "10.0.0.1 ",
        " 10.0.0.1",
        "10.0.0.1\n",
        "10.0.0.1\0",
        "١0.0.0.1",
    ),
    *(
        "010.0.0.1",
        "10.0.0.00",
        "10.1",
        "10.0.1",
        "167772161",
        "0x0a.0.0.1",
        "10.0.0.1.",
        "10..0.1",
        "+10.0.0.1",
        "\ud800",
    ),
)


@pytest.mark.parametrize("text", [*SPECIAL.split(), *NO_ADDRESS])
def test_special_addresses_and_what_is_no_address_are_refused(text: str) -> None:
    assert usable(text) is None
    assert canonical(text) == ""


@pytest.mark.parametrize("text", ["10.244.1.2", "172.18.0.1", "fd00::1", "fec0::1", "8.8.8.8", "1:0:1::"])
def test_unicast_addresses_are_usable(text: str) -> None:
    assert usable(text) == ipaddress.ip_address(text)
    assert canonical(text) == text


def test_the_canonical_form_is_short_and_in_lower_case() -> None:
    assert canonical("FD00:10:96:0::0001") == "fd00:10:96::1"


@given(st.ip_addresses())
def test_any_address_is_canonical_as_the_standard_library_writes_it(address: ipaddress.IPv4Address) -> None:
    assert canonical(address.exploded) == (str(address) if usable(str(address)) else "")


@given(st.integers(0, (1 << 128) - 1), st.integers(0, 127))
def test_addresses_with_runs_of_zeros_too(number: int, zeros: int) -> None:
    address = ipaddress.IPv6Address(number >> zeros << zeros)
    assert canonical(address.exploded) == (str(address) if usable(str(address)) else "")


@pytest.mark.parametrize("zone", ["%eth0", "%x } ; flush ruleset"])
def test_a_zone_is_no_part_of_an_address_or_a_range(zone: str) -> None:
    assert (str(parsed("::1")), str(parsed_network("fd00::1/64"))) == ("::1", "fd00::/64")
    for address in ("::1", "fe80::1", "fd00::"):
        assert parsed(f"{address}{zone}") is None
        assert parsed_network(f"{address}{zone}/64") is None
        assert canonical(f"{address}{zone}") == ""
