from __future__ import annotations

from ipaddress import ip_address

import pytest

from podwire.controllers.balancers.pools import BalancerPools, IPNetwork, subnets
from podwire.kube.addresses import IPAddress


@pytest.mark.parametrize(
    ("network", "hosts"),
    [
        ("10.0.0.0/30", ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"]),
        ("10.0.0.7/32", ["10.0.0.7"]),
        ("fd00::/126", ["fd00::1", "fd00::2", "fd00::3"]),
        ("fd00::7/128", ["fd00::7"]),
    ],
)
def test_all_hosts_of_a_network_are_given_and_no_more(network: str, hosts: list[str]) -> None:
    subnet = subnets(BalancerPools(public=(network,))).public
    family = "IPv6" if ":" in network else "IPv4"
    taken: set[IPAddress] = set()
    lowest: dict[IPNetwork, int] = {}
    while (address := subnet.first_free(family, taken, lowest)) is not None:
        assert address in subnet
        taken.add(address)
    assert taken == set(map(ip_address, hosts))


def test_the_networks_edges_are_no_hosts() -> None:
    subnet = subnets(BalancerPools(public=("10.0.0.0/24", "fd00::/120"))).public
    assert [ip_address(text) in subnet for text in ("10.0.0.0", "10.0.0.255", "fd00::", "10.0.1.1")] == [False] * 4
    assert [ip_address(text) in subnet for text in ("10.0.0.1", "10.0.0.254", "fd00::ff")] == [True] * 3


def test_networks_are_used_in_their_order() -> None:
    subnet = subnets(BalancerPools(public=("10.0.9.0/32", "10.0.0.0/32"))).public
    first = subnet.first_free("IPv4", set(), {})
    assert first == ip_address("10.0.9.0")
    assert subnet.first_free("IPv4", {first}, {}) == ip_address("10.0.0.0")
    assert subnet.first_free("IPv6", set(), {}) is None


class Counted(set[IPAddress]):
    """A set that counts how often it is searched."""

    searches = 0

    def __contains__(self, address: object) -> bool:
        self.searches += 1
        return super().__contains__(address)


def test_the_search_starts_where_the_last_one_ended() -> None:
    subnet = subnets(BalancerPools(public=("fd00::/112",))).public
    taken, lowest = Counted(), dict[IPNetwork, int]()
    for _ in range(500):
        address = subnet.first_free("IPv6", taken, lowest)
        assert address is not None
        taken.add(address)
    assert taken.searches <= 1000


@pytest.mark.parametrize(
    ("pools", "message"),
    [
        (BalancerPools(public=("10.0.0.1/24",)), "public load balancer pool '10.0.0.1/24': .*host bits"),
        (BalancerPools(internal=("shop",)), "internal load balancer pool 'shop'"),
        (BalancerPools(public=("10.0.0.0/24",), internal=("10.0.0.128/25",)), "overlap"),
    ],
)
def test_invalid_pools_are_refused_by_name(pools: BalancerPools, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        subnets(pools)
