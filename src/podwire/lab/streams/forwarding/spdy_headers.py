"""Header blocks of SPDY/3: names and values, compressed with one zlib stream for each direction of a session.

Source: SPDY Protocol draft 3.1, section 2.6.10 "Name/Value Header Block".
"""

from __future__ import annotations

import struct
import zlib

LARGEST_BLOCK = 16 * 1024
"""Bytes of a block when it is unpacked; Kubernetes' have about 60."""

_WORDS = """
options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
authorization cache-control connection content-base content-encoding content-language content-length content-location
content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match
if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range
referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get
status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin
"""
_CODES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">I", len(raw)) + raw


DICTIONARY = b"".join(_text(word.replace("_", " ")) for word in _WORDS.split()) + _CODES.encode()
"""What both sides' zlib know from the start."""


class HeaderError(ValueError):
    """A block that cannot be read. The session cannot go on: later blocks depend on it."""


class HeaderCodec:
    """Both directions of one session. Every block must pass through here, in order."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(zdict=DICTIONARY)
        self._unpacker = zlib.decompressobj(zdict=DICTIONARY)

    def pack(self, headers: dict[str, str]) -> bytes:
        """A block to send."""
        plain = struct.pack(">I", len(headers)) + b"".join(
            _text(name) + _text(value) for name, value in headers.items()
        )
        return self._packer.compress(plain) + self._packer.flush(zlib.Z_SYNC_FLUSH)

    def unpack(self, block: bytes) -> dict[str, str]:
        """A block that came, its names in lower case. Raises HeaderError."""
        try:
            plain = self._unpacker.decompress(block, LARGEST_BLOCK)
        except zlib.error as error:
            raise HeaderError(f"headers cannot be unpacked: {error}") from error
        if self._unpacker.unconsumed_tail:
            raise HeaderError(f"headers have more than {LARGEST_BLOCK} bytes")
        return _pairs(plain)


def _pairs(plain: bytes) -> dict[str, str]:
    """Decode a block: a count, then lengths and texts, names and values in turn."""
    try:
        (count,) = struct.unpack_from(">I", plain)
        texts, position = [], 4
        for _ in range(2 * min(count, LARGEST_BLOCK)):
            (size,) = struct.unpack_from(">I", plain, position)
            texts.append(plain[position + 4 : position + 4 + size].decode())
            position += 4 + size
    except (struct.error, UnicodeDecodeError) as error:
        raise HeaderError(f"headers cannot be read: {error}") from error
    return {name.lower(): value for name, value in zip(texts[::2], texts[1::2], strict=True)}
