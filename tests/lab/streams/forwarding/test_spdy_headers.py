from __future__ import annotations

import zlib

import pytest

from podwire.lab.streams.forwarding.spdy_headers import DICTIONARY, LARGEST_BLOCK, HeaderCodec, HeaderError

PUBLISHED_CHECKSUM = 0xE3C6A7C2
"""Adler-32 of the draft's dictionary, which each zlib stream made with it carries."""


def test_the_dictionary_is_the_published_one() -> None:
    assert zlib.adler32(DICTIONARY) == PUBLISHED_CHECKSUM


def test_blocks_of_a_session_come_back_in_order_with_lower_case_names() -> None:
    ours, theirs = HeaderCodec(), HeaderCodec()
    for number in range(3):
        assert theirs.unpack(ours.pack({"StreamType": "data", "Port": str(number)})) == {
            "streamtype": "data",
            "port": str(number),
        }
    assert theirs.unpack(ours.pack({})) == {}


@pytest.mark.parametrize(
    "plain", [b"", b"\0\0\0\1", b"\0\0\0\1\0\0\0\5ab", b"\xff" * 4, b"\0\0\0\1\0\0\0\1\xff\0\0\0\0"]
)
def test_a_broken_block_is_refused(plain: bytes) -> None:
    packer = zlib.compressobj(zdict=DICTIONARY)
    with pytest.raises(HeaderError, match="cannot be read"):
        HeaderCodec().unpack(packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH))


def test_what_is_not_packed_is_refused() -> None:
    with pytest.raises(HeaderError, match="cannot be unpacked"):
        HeaderCodec().unpack(b"plain text")


def test_a_block_that_grows_too_large_is_refused() -> None:
    with pytest.raises(HeaderError, match=f"more than {LARGEST_BLOCK}"):
        HeaderCodec().unpack(HeaderCodec().pack({"bomb": "x" * 10_000_000}))
