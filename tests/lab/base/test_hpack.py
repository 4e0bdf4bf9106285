"""Header compression: the examples of RFC 7541, appendix C, and blocks that break the rules."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.lab.base.hpack import STATIC_TABLE, Decoder, Header, HpackError, encode

WEB = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")]
CACHED = [*WEB, ("cache-control", "no-cache")]
CUSTOM = [
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/index.html"),
    (":authority", "www.example.com"),
    ("custom-key", "custom-value"),
]


def test_the_static_table_is_that_of_the_standard() -> None:
    assert len(STATIC_TABLE) == 61
    assert STATIC_TABLE[1] == (":method", "GET")
    assert STATIC_TABLE[15] == ("accept-encoding", "gzip, deflate")
    assert STATIC_TABLE[60] == ("www-authenticate", "")


@pytest.mark.parametrize(
    "blocks",
    [
        (  # C.3, without Huffman code
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ),
        (  # C.4, with it
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ),
    ],
)
def test_requests_of_the_standard(blocks: tuple[str, ...]) -> None:
    decoder = Decoder()
    assert [decoder.decode(bytes.fromhex(block)) for block in blocks] == [WEB, CACHED, CUSTOM]


@pytest.mark.parametrize(
    "block",
    [
        "80",  # entry 0
        "c0",  # an entry of the dynamic table, which is empty
        "0003",  # a name that ends early
        "7fffffffffff7f",  # an integer that is too large
        "00823fff",  # padding of a whole octet and more
        "3fe2ff03",  # a table larger than the setting
        "00",  # no name
    ],
)
def test_blocks_that_break_the_rules(block: str) -> None:
    with pytest.raises(HpackError):
        Decoder().decode(bytes.fromhex(block))


HEADERS = st.lists(st.tuples(st.text("abc-", min_size=1), st.text(st.characters(max_codepoint=255), max_size=300)))


@given(HEADERS)
def test_what_is_encoded_is_decoded(headers: list[Header]) -> None:
    assert Decoder().decode(encode(headers)) == headers


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(block: bytes) -> None:
    with contextlib.suppress(HpackError):
        Decoder().decode(block)
