import gzip
import zlib

import pytest

from podwire.http.html_links import LONGEST_TAG, LinkRewriter, rewriter

PREFIX = "/api/v1/namespaces/a/pods/web:80/proxy"


def rewritten(page: str, size: int = 1 << 20) -> str:
    links = LinkRewriter(PREFIX, "")
    raw = page.encode()
    return (b"".join(links.feed(raw[at : at + size]) for at in range(0, len(raw), size)) + links.end()).decode()


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ('<a href="/x">/x</a>', f'<a href="{PREFIX}/x">/x</a>'),
        ("<A class=c HREF='/x/'>", f"<A class=c HREF='{PREFIX}/x/'>"),
        ("<img src=/x.png>", f"<img src={PREFIX}/x.png>"),
        ('<script src="/x.js" async></script>', f'<script src="{PREFIX}/x.js" async></script>'),
        ('<form action="/x?a=1#b">', f'<form action="{PREFIX}/x?a=1#b">'),
    ],
)
def test_absolute_paths_get_the_prefix(page: str, expected: str) -> None:
    assert rewritten(page) == expected


@pytest.mark.parametrize(
    "page",
    [
        '<a href="x">',
        '<a href="http://example.org/x">',
        '<a href="//example.org/x">',
        f'<a href="{PREFIX}/x">',
        '<a title="/x">',
        '<b href="/x">',
        'a < b href="/x"',
        "1 < 2",
    ],
)
def test_everything_else_passes_as_it_is(page: str) -> None:
    assert rewritten(page) == page


@pytest.mark.parametrize("size", [1, 2, 7])
def test_tags_that_come_in_pieces_are_rewritten(size: int) -> None:
    page = '<p>1 < 2</p><a href="/x">x</a><img src="/y">'
    assert rewritten(page, size) == rewritten(page)
    assert f'href="{PREFIX}/x"' in rewritten(page, size)


def test_a_tag_without_an_end_is_not_held_for_ever() -> None:
    links = LinkRewriter(PREFIX, "")
    assert links.feed(b"<a " + b"x" * LONGEST_TAG) != b""


def test_packed_pages_are_unpacked() -> None:
    links = LinkRewriter(PREFIX, "gzip")
    assert links.feed(gzip.compress(b'<a href="/x">')) + links.end() == f'<a href="{PREFIX}/x">'.encode()
    with pytest.raises(zlib.error):
        LinkRewriter(PREFIX, "gzip").feed(b"no gzip at all")


@pytest.mark.parametrize(
    ("kind", "encoding", "prefix", "is_rewritten"),
    [
        ("text/html; charset=utf-8", "", PREFIX, True),
        ("Text/HTML", "gzip", PREFIX, True),
        ("text/html", "br", PREFIX, False),
        ("text/html", "", "", False),
        ("application/json", "", PREFIX, False),
        ("", "", PREFIX, False),
    ],
)
def test_only_pages_that_can_be_read_are_rewritten(kind: str, encoding: str, prefix: str, is_rewritten: bool) -> None:
    assert (rewriter(kind, encoding, prefix) is not None) is is_rewritten
