"""Paths as Envoy has them; tests/insight/url/test_real_envoy.py compares with a real one."""

import pytest

from podwire.edge.model.matches import PathMatch, PathType
from podwire.edge.model.paths import normalised, replaced, without_escaped_slashes


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", "/"),
        ("/a//b", "/a/b"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../a", "/a"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a/", "/a/"),
        ("/%41%2d%7E", "/A-~"),
        ("/%20%2F", "/%20%2F"),
    ],
)
def test_a_path_is_normalised(path: str, found: str) -> None:
    assert normalised(path) == found


def test_escaped_slashes_are_redirected_and_nothing_else_is() -> None:
    assert without_escaped_slashes("/a%2Fb%2f..%2fc") == "/a/c"
    assert without_escaped_slashes("/a%5cb") == "/a/b"
    assert without_escaped_slashes("/a/b%20c") is None


@pytest.mark.parametrize(
    ("path", "prefix", "replacement", "found"),
    [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "/", "/bar"),
        ("/foo", "/foo", "", "/"),
        ("/bar", "/", "/xyz", "/xyz/bar"),
    ],
)
def test_a_prefix_is_replaced(path: str, prefix: str, replacement: str, found: str) -> None:
    assert replaced(path, PathMatch(PathType.PREFIX, prefix), None, replacement) == found


def test_a_whole_path_is_replaced_and_without_a_replacement_it_stays() -> None:
    match = PathMatch(PathType.EXACT, "/a")
    assert (replaced("/a", match, "/b", None), replaced("/a", match, None, None)) == ("/b", "/a")
