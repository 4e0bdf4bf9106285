"""Queries in, answers out: the wire codec of the hot path. No I/O, and no input makes `parse` raise.

Sources: RFC 1035 (format), RFC 6891 (EDNS), RFC 2308 (negative answers), RFC 7766 (TCP), DNS flag day 2020 (size 1232).
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence

import msgspec

from podwire.dns.names import FormatError, skip
from podwire.dns.records import INTERNET, RecordType

HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHIH")
"""Type, class, time to live and data length: what follows the owner's name."""

EDNS_SIZE = 1232
"""Bytes of a UDP answer that cross any path in one piece."""

CLASSIC_SIZE = 512
STREAM_SIZE = 65535

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
OPCODE = 0x7800
DO = 0x8000
"""The bit of the OPT record that requests DNSSEC records (DO)."""

QUESTION_POINTER = b"\xc0\x0c"
"""A compressed owner name: the question's, which always begins at byte 12."""


class Rcode(enum.IntEnum):
    """Response codes; 16 and up need EDNS."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


class Query(msgspec.Struct, frozen=True):
    """One well-formed question. `size` is the largest UDP answer that the client takes."""

    id: int
    flags: int
    name: bytes
    type: int
    question: bytes
    edns: bool = False
    dnssec: bool = False
    size: int = CLASSIC_SIZE
    hops: int = 0
    """Names that led here from the one that the client sent."""

    @property
    def key(self) -> bytes:
        """The name with its letters folded: what tables hold."""
        return self.name.lower()

    def renamed(self, name: bytes) -> Query:
        """The same question about another name, which is resolved to its end."""
        question = name + self.question[-4:]
        return msgspec.structs.replace(self, name=name, question=question, flags=self.flags | RD, hops=self.hops + 1)


class Refusal(msgspec.Struct, frozen=True):
    """A message that is no query we take, and the whole answer to it."""

    wire: bytes


class Response(msgspec.Struct, frozen=True):
    """The content of an answer. Every record has its owner's name, compressed against the question at most.

    Attributes:
        rcode: the response code.
        answer: records of the answer section.
        authority: records of the authority section.
        additional: records that may be left out.
        authoritative: whether the data are the server's own.
        turned: whether the answer's records change places by the query's number.
        seconds: how long the same question may be answered with it: 0 not at all, None until the server's data change.

    """

    rcode: Rcode = Rcode.NOERROR
    answer: tuple[bytes, ...] = ()
    authority: tuple[bytes, ...] = ()
    additional: tuple[bytes, ...] = ()
    authoritative: bool = False
    turned: bool = False
    seconds: float | None = None


def parse(raw: bytes) -> Query | Refusal | None:
    """Read a message from a client. None: do not answer, as it is no query and an answer could start a loop."""
    if len(raw) < HEADER.size or raw[2] & 0x80:
        return None
    identifier, flags, questions, *others = HEADER.unpack_from(raw)
    if flags & OPCODE:
        return _refusal(identifier, flags, Rcode.NOTIMP)
    if questions != 1:
        return _refusal(identifier, flags, Rcode.FORMERR)
    try:
        end = skip(raw, HEADER.size, compressed=False)
        kind, of_class = struct.unpack_from("!HH", raw, end)
        query = Query(identifier, flags, raw[HEADER.size : end], kind, raw[HEADER.size : end + 4])
        options = _options(raw, end + 4, sum(others))
    except (FormatError, struct.error):
        return _refusal(identifier, flags, Rcode.FORMERR)
    if options is not None:
        size, extended = options
        limit = min(max(size, CLASSIC_SIZE), EDNS_SIZE)
        query = Query(identifier, flags, query.name, kind, query.question, True, bool(extended & DO), limit)
        if extended >> 16 & 0xFF:
            return Refusal(encode(query, Response(Rcode.BADVERS), limit))
    if of_class != INTERNET or kind in {RecordType.AXFR, RecordType.IXFR}:
        return Refusal(encode(query, Response(Rcode.REFUSED), query.size))
    return query


def _options(raw: bytes, position: int, count: int) -> tuple[int, int] | None:
    """Size and extended flags of the one OPT record, if there is one. Raises FormatError for a broken message."""
    found = None
    for _ in range(count):
        end = skip(raw, position)
        kind, size, extended, length = RECORD.unpack_from(raw, end)
        if kind == RecordType.OPT:
            if found is not None or end != position + 1:
                raise FormatError("more than one OPT record, or one with a name")
            found = size, extended
        position = end + RECORD.size + length
        if position > len(raw):
            raise FormatError("a record runs past the end of the message")
    return found


def _refusal(identifier: int, flags: int, rcode: Rcode) -> Refusal:
    """An answer without the question, which may not even be one."""
    return Refusal(HEADER.pack(identifier, QR | flags & (OPCODE | RD) | rcode, 0, 0, 0, 0))


def record(owner: bytes, kind: int, ttl: int, data: bytes) -> bytes:
    """One whole record of class IN."""
    return owner + RECORD.pack(kind, INTERNET, ttl, len(data)) + data


def options(*, dnssec: bool = False, rcode: int = 0) -> bytes:
    """Our OPT record: the size we take, and the upper bits of the response code."""
    return b"\x00" + RECORD.pack(RecordType.OPT, EDNS_SIZE, rcode >> 4 << 24 | (DO if dnssec else 0), 0)


def encode(query: Query, response: Response, limit: int) -> bytes:
    """The answer in at most `limit` bytes: additional records go first, then the rest with the bit TC set."""
    trailer = options(dnssec=query.dnssec, rcode=response.rcode) if query.edns else b""
    space = limit - HEADER.size - len(query.question) - len(trailer)
    answer, authority, additional = response.answer, response.authority, response.additional
    if response.turned and len(answer) > 1:
        # The client's random number turns the list, so that clients that take the first one spread.
        turn = query.id % len(answer)
        answer = answer[turn:] + answer[:turn]
    needed = sum(map(len, answer)) + sum(map(len, authority))
    truncated = needed > space
    if truncated:
        answer, authority, additional = _fitting(answer, space), (), ()
    elif additional:
        additional = _fitting(additional, space - needed)
    flags = QR | RA | query.flags & (RD | CD) | response.rcode & 0xF
    if response.authoritative:
        flags |= AA
    if truncated:
        flags |= TC
    extra = len(additional) + (1 if trailer else 0)
    header = HEADER.pack(query.id, flags, 1, len(answer), len(authority), extra)
    return b"".join((header, query.question, *answer, *authority, *additional, trailer))


def servfail(raw: bytes) -> bytes | None:
    """The answer to a message that cannot be processed; None for what is no query."""
    query = parse(raw)
    return encode(query, Response(Rcode.SERVFAIL), query.size) if isinstance(query, Query) else None


def _fitting(records: Sequence[bytes], space: int) -> tuple[bytes, ...]:
    """As many whole records as fit, in order."""
    taken = []
    for one in records:
        space -= len(one)
        if space < 0:
            break
        taken.append(one)
    return tuple(taken)


def encode_query(identifier: int, query: Query) -> bytes:
    """The same question under another number, with EDNS; the bits that change an answer are kept."""
    header = HEADER.pack(identifier, query.flags & (RD | CD), 1, 0, 0, 1)
    return header + query.question + options(dnssec=query.dnssec)
