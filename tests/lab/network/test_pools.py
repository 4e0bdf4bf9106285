import ipaddress

import pytest

from podwire.lab.network import pools
from podwire.lab.network.topology import Topology


def world(text: str, nodes: int = 3) -> Topology:
    found = Topology(nodes=nodes, public=pools.parse(text))
    found.check_pools()
    return found


def test_a_pool_takes_the_place_of_its_family_only() -> None:
    given = world("172.18.240.0/28")
    assert [str(pool) for pool in given.public] == ["172.18.240.0/28", "fd00:172:18::fe:0/112"]
    assert given.routed_pools == ()
    assert world("").public == pools.PUBLIC


def test_a_pool_outside_of_the_underlay_is_routed() -> None:
    given = world("203.0.113.0/24,198.51.100.0/25,2001:db8::/112")
    assert given.routed_pools == given.public
    assert str(given.public[1]) == "198.51.100.0/25"


def test_a_part_of_the_underlay_beside_its_hosts_is_allowed() -> None:
    assert world("172.18.0.128/25").public[0] == ipaddress.ip_network("172.18.0.128/25")
    with pytest.raises(ValueError, match=r"172\.18\.0\.128 of node-127"):
        world("172.18.0.128/25", nodes=128)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("172.18.0.0/24", "172.18.0.1 of the API server"),
        ("172.18.0.4/32", "172.18.0.4 of node-3"),
        ("172.18.255.0/24", "172.18.255.1 of the outside host"),
        ("fd00:172:18::/112", "fd00:172:18::1 of the API server"),
        ("172.16.0.0/12", "overlaps"),
        ("fd00:172:18::/48", "overlaps"),
        ("10.244.9.0/24", "the range of pods"),
        ("10.96.128.0/24", "the range of Services"),
        ("172.18.253.128/25", "the internal pool 172.18.253.0/24"),
        ("203.0.113.0/24,203.0.113.8/30", "the pool 203.0.113.0/24"),
        ("127.0.0.0/8", "unicast"),
        ("224.0.0.0/8", "unicast"),
        ("0.0.0.0/0", "unicast"),
        ("fe80::/64", "unicast"),
        ("172.18.254.1/24", "write 172.18.254.0/24"),
        ("web", "is no network"),
        (" ,", "is no network"),
    ],
)
def test_impossible_pools_are_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="--lb-pool") as refusal:
        world(text)
    assert reason in str(refusal.value)
