"""Addresses of names with their times: learned, ended, remembered, bounded, kept."""

from ipaddress import ip_address

from podwire.policy import known_names
from podwire.policy.known_names import LEAST_SECONDS, MOST_ADDRESSES, KnownNames

A, B = ip_address("192.0.2.1"), ip_address("2001:db8::1")


def test_an_address_ends_with_its_time_and_is_remembered() -> None:
    names = KnownNames()
    assert names.learn("a.test", [A], 30, 100)
    assert names.learn("a.test", [B], 60, 100)
    assert not names.learn("a.test", [A], 10, 101), "an address that is known is no news, and ends no earlier"
    assert names.next_end == 130
    assert names.end(129.9) == set()
    assert names.end(130) == {"a.test"}
    assert (set(names.ends("a.test")), names.former("a.test")) == ({B}, [A])
    assert names.learn("a.test", [A], 30, 131)
    assert names.former("a.test") == []
    names.end(1000)
    assert not list(names)
    assert names.next_end is None


def test_a_time_of_zero_lasts_for_a_connection() -> None:
    names = KnownNames()
    names.learn("a.test", [A], 0, 100)
    assert names.next_end == 100 + LEAST_SECONDS


def test_addresses_and_memory_are_bounded() -> None:
    names = KnownNames()
    many = [ip_address(number) for number in range(1, 2 * MOST_ADDRESSES)]
    names.learn("a.test", many, 30, 0)
    assert set(names.ends("a.test")) == set(many[:MOST_ADDRESSES])
    for number in range(known_names.MOST_FORMER + 1):
        names.learn(f"{number}.test", [A], 30, 100)
    names.end(1000)
    assert names.former("0.test") == []
    assert names.former("1.test") == [A]


def test_what_is_saved_is_restored() -> None:
    names = KnownNames()
    names.learn("a.test", [A], 30, 100)
    names.learn("b.test", [A], 10, 100)
    names.end(110)
    saved = names.saved(120)
    again = KnownNames()
    known = [(one.name, ip_address(one.address), one.seconds) for one in (*saved.former, *saved.known)]
    assert again.restore(known, 500) == {"a.test", "b.test"}
    assert (again.ends("a.test"), again.former("b.test")) == ({A: 510}, [A])
