from __future__ import annotations

import pytest

from podwire.kube.hostnames import contains, intersection, most_specific, precedence


@pytest.mark.parametrize(
    ("pattern", "hostname", "expected"),
    [
        ("*", "example.com", True),
        ("*", "*", True),
        ("example.com", "*", False),
        ("example.com", "example.com", True),
        ("example.com", "www.example.com", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "badexample.com", False),
        ("*.example.com", "*.example.com", True),
        ("*.example.com", "*.www.example.com", True),
        ("*.www.example.com", "*.example.com", False),
        ("*.com", "*", False),
    ],
)
def test_contains(pattern: str, hostname: str, expected: bool) -> None:
    assert contains(pattern, hostname) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("*", "*.example.com", "*.example.com"),
        ("*.example.com", "www.example.com", "www.example.com"),
        ("*.example.com", "*.com", "*.example.com"),
        ("*.example.com", "example.com", None),
        ("a.example.com", "b.example.com", None),
    ],
)
def test_intersection_is_the_narrower_one_in_either_order(one: str, other: str, expected: str | None) -> None:
    assert intersection(one, other) == expected
    assert intersection(other, one) == expected


def test_precedence_is_no_wildcard_first_then_length() -> None:
    names = ["*", "*.com", "*.example.com", "a.example.com", "long.name.example.com"]
    assert sorted(names, key=precedence) == list(reversed(names))


def test_most_specific() -> None:
    patterns = ["*", "*.example.com", "www.example.com"]
    assert most_specific("www.example.com", patterns) == "www.example.com"
    assert most_specific("api.example.com", patterns) == "*.example.com"
    assert most_specific("example.org", patterns) == "*"
    assert most_specific("example.org", patterns[1:]) is None
