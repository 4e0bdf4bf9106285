import ipaddress

import pytest

from podwire.pods.addresses import FIRST_PLACE, MOST_PLACES, ExhaustedError, Ranges, choose


def ranges(*texts: str) -> Ranges:
    return Ranges(tuple(ipaddress.ip_network(text) for text in texts))


def test_both_families_have_the_same_place() -> None:
    both = ranges("10.244.1.0/24", "fd00:10:244:1::/64")
    assert [str(address) for address in both.addresses(7)] == ["10.244.1.7", "fd00:10:244:1::7"]
    assert [both.place(address) for address in both.addresses(7)] == [7, 7]
    assert both.place(ipaddress.ip_address("10.245.1.7")) is None


def test_network_gateway_and_broadcast_are_never_given_out() -> None:
    small = ranges("10.0.0.0/29")
    places = list(range(FIRST_PLACE, small.end))
    assert [str(small.addresses(place)[0]) for place in places] == [f"10.0.0.{n}" for n in range(2, 7)]


@pytest.mark.parametrize(
    ("texts", "end"),
    [(["10.0.0.0/24"], 255), (["fd00::/64"], MOST_PLACES), (["10.0.0.0/24", "fd00::/120"], 255), (["10.0.0.1/32"], 0)],
)
def test_the_smallest_range_decides(texts: list[str], end: int) -> None:
    assert ranges(*texts).end == end


def test_fresh_places_go_first_then_freed_ones_in_their_order() -> None:
    pool = ranges("10.0.0.0/28")
    assert choose(pool, 5, [3, 2], lambda _: False) == 5
    assert choose(pool, 15, [3, 2], lambda _: False) == 3
    assert choose(pool, 15, [3, 2], lambda place: place == 3) == 2
    assert choose(pool, 2, [3], lambda place: place == 2) == 4


def test_exhaustion_names_the_range_and_the_remedy() -> None:
    with pytest.raises(ExhaustedError, match=r"all 13 addresses of the node's range 10\.0\.0\.0/28 are taken.*podCIDR"):
        choose(ranges("10.0.0.0/28"), 2, [], lambda _: True)
