"""Header compression for HTTP/2: a whole decoder and an encoder that compresses nothing. Source: RFC 7541."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Header = tuple[str, str]

ENTRY_OVERHEAD = 32
"""What each entry of the dynamic table counts beside its text (section 4.1)."""
TABLE_SIZE = 4096
LARGEST_BLOCK = 64 * 1024

# Appendix A; a name without a value has an empty one.
_STATIC_NAMES = """
:authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204
:status=206 :status=304 :status=400 :status=404 :status=500 accept-charset accept-encoding=gzip,_deflate
accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control
content-disposition content-encoding content-language content-length content-location content-range content-type
cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since
last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after
server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate
"""
STATIC_TABLE: tuple[Header, ...] = tuple(
    (name, value.replace("_", " ")) for name, _, value in (word.partition("=") for word in _STATIC_NAMES.split())
)

# Appendix B: the length of the code of each octet and of the end of the text. The code is canonical, so lengths do.
_LENGTHS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b08060606"
    "0505050606060606060607080f060c0a0d06070707070707070707070707070707070707070707070807080d130d0e06"
    "0f05060506050606060507070606060506070605050607070707070f0b0e0d1c14161414161616171617171717171817"
    "181816171817171717151617161717181615141616171715171616181516171715151615171617171416161617161617"
    "1a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a1c1b1b1b14181415161515171616191918181a17"
    "1a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e"
)


class HpackError(ValueError):
    """A header block that breaks the rules."""


def _huffman() -> dict[tuple[int, int], int]:
    """Return the octet of each code by its length and value; 256 is the end of the text."""
    codes, code, before = {}, 0, 0
    for length, octet in sorted((length, octet) for octet, length in enumerate(_LENGTHS)):
        code <<= length - before
        codes[length, code] = octet
        code, before = code + 1, length
    return codes


_CODES = _huffman()
_LONGEST_PADDING = 7


def _expand(data: bytes) -> bytes:
    """Decode Huffman code. Raises HpackError where the padding is not the start of the end's code."""
    text, code, length = bytearray(), 0, 0
    for octet in data:
        for shift in range(7, -1, -1):
            code, length = code << 1 | octet >> shift & 1, length + 1
            found = _CODES.get((length, code))
            if found is not None:
                if found > 255:
                    raise HpackError("the end of the text inside of it")
                text.append(found)
                code, length = 0, 0
    if length > _LONGEST_PADDING or code != (1 << length) - 1:
        raise HpackError("a text with wrong padding")
    return bytes(text)


class _Reader:
    """Integers and texts of a block (section 5)."""

    def __init__(self, block: bytes) -> None:
        self._block = block
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._block)

    def peek(self) -> int:
        return self._block[self._at]

    def _octet(self) -> int:
        if not self.more:
            raise HpackError("a block that ends early")
        self._at += 1
        return self._block[self._at - 1]

    def integer(self, prefix_bits: int) -> int:
        most = (1 << prefix_bits) - 1
        number = self._octet() & most
        if number < most:
            return number
        for shift in range(0, 28, 7):
            octet = self._octet()
            number += (octet & 0x7F) << shift
            if octet < 0x80:
                return number
        raise HpackError("an integer that is too large")

    def text(self) -> str:
        compressed = self.more and self.peek() & 0x80
        size = self.integer(7)
        data = self._block[self._at : self._at + size]
        if len(data) < size:
            raise HpackError("a text that ends early")
        self._at += size
        return (_expand(data) if compressed else data).decode("latin-1")


class Decoder:
    """Decodes the header blocks of one direction of one connection, in their order."""

    def __init__(self) -> None:
        self._entries: list[Header] = []
        self._limit = TABLE_SIZE

    def decode(self, block: bytes) -> list[Header]:
        """Return the headers of a block. Raises HpackError; the connection cannot be used after that."""
        if len(block) > LARGEST_BLOCK:
            raise HpackError("a block that is too large")
        return list(self._headers(_Reader(block)))

    def _headers(self, reader: _Reader) -> Iterator[Header]:
        while reader.more:
            first = reader.peek()
            if first & 0x80:
                yield self._entry(reader.integer(7))
            elif first & 0x40:
                header = self._literal(reader, 6)
                self._entries.insert(0, header)
                self._evict()
                yield header
            elif first & 0x20:
                self._limit = reader.integer(5)
                if self._limit > TABLE_SIZE:
                    raise HpackError("a table that is too large")
                self._evict()
            else:
                yield self._literal(reader, 4)

    def _literal(self, reader: _Reader, prefix_bits: int) -> Header:
        index = reader.integer(prefix_bits)
        name = self._entry(index)[0] if index else reader.text()
        return name, reader.text()

    def _entry(self, index: int) -> Header:
        if 1 <= index <= len(STATIC_TABLE):
            return STATIC_TABLE[index - 1]
        if len(STATIC_TABLE) < index <= len(STATIC_TABLE) + len(self._entries):
            return self._entries[index - len(STATIC_TABLE) - 1]
        raise HpackError(f"no entry {index}")

    def _evict(self) -> None:
        while sum(len(name) + len(value) + ENTRY_OVERHEAD for name, value in self._entries) > self._limit:
            self._entries.pop()


def encode(headers: Iterable[Header]) -> bytes:
    """Return a block of literals that enter no table."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def _text(text: str) -> bytes:
    data = text.encode("latin-1")
    return _integer(len(data), 7) + data


def _integer(number: int, prefix_bits: int) -> bytes:
    most = (1 << prefix_bits) - 1
    if number < most:
        return bytes([number])
    octets, number = bytearray([most]), number - most
    while number >= 0x80:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])
