import pytest

from podwire.apiserver.writes.gateway_warnings.hostnames import intersect


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ("", "a.example.com", True),
        ("a.example.com", "A.example.com", True),
        ("a.example.com", "b.example.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "*.b.example.com", True),
        ("*.a.example.com", "*.b.example.com", False),
        ("*.example.com", "a.badexample.com", False),
    ],
)
def test_two_names_have_one_in_common_either_way(first: str, second: str, common: bool) -> None:
    assert intersect(first, second) is intersect(second, first) is common
