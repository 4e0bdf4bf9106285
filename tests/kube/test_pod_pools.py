import ipaddress

import pytest

from podwire.kube.pod_pools import PodPool, PoolError, PoolRange, disjoint, pool, pools_for


def test_a_pool_has_ranges_masks_and_labels() -> None:
    found = pool("fd00:10:244::/56, 10.244.0.0/16:25@tier=gpu,zone=a")
    assert [str(one) for one in found.ranges] == ["10.244.0.0/16, /25 a node", "fd00:10:244::/56, /64 a node"]
    assert [one.count for one in found.ranges] == [512, 256]
    assert found.serves({"tier": "gpu", "zone": "a", "x": "y"})
    assert not found.serves({"tier": "gpu"})
    assert str(found).endswith("for nodes with tier=gpu,zone=a")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "write a range"),
        ("10.244.0.1/16", "has host bits set"),
        ("10.244.0.0/16:x", "write a range"),
        ("10.244.0.0/16:15", "must be from /16 to /30"),
        ("10.244.0.0/16:31", "must be from /16 to /30"),
        ("10.0.0.0/8:25", "must be from /8 to /24"),
        ("fd00::/32", "must be from /32 to /48"),
        ("10.244.0.0/16,10.245.0.0/16", "one range of each family"),
        ("10.244.0.0/16@gpu", "no LABEL=VALUE"),
        ("10.244.0.0/16@=x", "no LABEL=VALUE"),
    ],
)
def test_what_cannot_be_used_is_named_with_the_remedy(text: str, problem: str) -> None:
    with pytest.raises(PoolError, match=problem):
        pool(text)


def test_pools_must_not_overlap() -> None:
    disjoint([pool("10.0.0.0/16"), pool("10.1.0.0/16,fd00::/56"), pool("fd00:1::/56@a=b")])
    with pytest.raises(PoolError, match=r"10\.0\.0\.0/8:*.* overlap"):
        disjoint([pool("10.0.0.0/8:20"), pool("10.1.0.0/16")])


def test_pools_with_the_labels_of_a_node_go_before_those_without() -> None:
    pools = [pool("10.0.0.0/16"), pool("10.1.0.0/16@a=b"), pool("10.2.0.0/16"), pool("10.3.0.0/16@a=b,c=d")]
    assert [str(one.ranges[0].network) for one in pools_for(pools, {})] == ["10.0.0.0/16", "10.2.0.0/16"]
    assert [str(one.ranges[0].network) for one in pools_for(pools, {"a": "b"})] == ["10.1.0.0/16"]
    assert len(pools_for(pools, {"a": "b", "c": "d"})) == 2
    assert pools_for([pools[1]], {}) == ()


def numbers(source: PoolRange, text: str) -> list[int]:
    return list(source.numbers(ipaddress.ip_network(text)))


def test_parts_have_numbers_and_ranges_of_others_cover_some() -> None:
    (source,) = pool("10.244.0.0/16").ranges
    assert str(source.part(0)) == "10.244.0.0/24"
    assert str(source.part(255)) == "10.244.255.0/24"
    assert numbers(source, "10.244.3.128/25") == [3]
    assert numbers(source, "10.244.4.0/22") == [4, 5, 6, 7]
    assert numbers(source, "10.0.0.0/8") == list(range(256))
    assert numbers(source, "10.245.0.0/24") == []
    assert numbers(source, "fd00::/64") == []
    (six,) = pool("fd00:10:244::/56").ranges
    assert str(six.part(7)) == "fd00:10:244:7::/64"
    assert numbers(six, "fd00:10:244:7::/64") == [7]


def test_a_pool_of_one_family_is_enough() -> None:
    assert isinstance(pool("fd00:10:244::/56"), PodPool)
    assert len(pool("10.244.0.0/16").ranges) == 1
