"""Replies of upstream servers: checked, aged, and repeated to clients. No I/O, and `parse_reply` never raises.

A reply keeps its bytes. To repeat it only the number, the flags, the question's letters and the times to live are
written over; records are cut off at the end, where no earlier pointer can lead to.

Sources: RFC 1035, RFC 2181 section 8 (times to live), RFC 2308 (negative answers), RFC 5452 (forged answers).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import msgspec

from podwire.dns.message import (
    AA,
    AD,
    CD,
    HEADER,
    OPCODE,
    QR,
    RA,
    RD,
    RECORD,
    TC,
    Query,
    Rcode,
    Response,
    options,
    record,
)
from podwire.dns.names import FormatError, compress, expand, skip
from podwire.dns.records import INTERNET, RecordType

ANSWER, AUTHORITY, ADDITIONAL = 0, 1, 2
_RCODES = frozenset(map(int, Rcode))

LONGEST_TTL = 86_400
"""Seconds; more is taken for a mistake and cut (CVE-2025-58063 is the extreme)."""

_NAMES_AT = {
    RecordType.NS: (0, 1),
    RecordType.CNAME: (0, 1),
    RecordType.PTR: (0, 1),
    RecordType.DNAME: (0, 1),
    RecordType.SOA: (0, 2),
    RecordType.MX: (2, 1),
    RecordType.SRV: (6, 1),
}
"""Types whose data may hold compressed names: where the first one begins, and how many there are."""


class Placed(msgspec.Struct, frozen=True):
    """One record of a reply by its places in the bytes: where it begins, its fixed part, its data, its end."""

    start: int
    fixed: int
    end: int
    section: int
    type: int
    ttl: int

    @property
    def data(self) -> int:
        """Where the record's data begin."""
        return self.fixed + RECORD.size


class Reply(msgspec.Struct, frozen=True):
    """A well-formed reply. Its OPT record and what follows it are left out of `records`."""

    raw: bytes
    id: int
    flags: int
    question: bytes
    rcode: int
    records: tuple[Placed, ...]

    @property
    def truncated(self) -> bool:
        """Whether the reply is truncated: the query must be repeated by TCP."""
        return bool(self.flags & TC)

    def answers(self, identifier: int, question: bytes) -> bool:
        """Whether this is a reply to exactly that query."""
        same = self.question[:-4].lower() == question[:-4].lower() and self.question[-4:] == question[-4:]
        return self.id == identifier and same


def parse_reply(raw: bytes) -> Reply | None:
    """Read a message from an upstream server; None where it is not a whole reply to one question."""
    if len(raw) < HEADER.size:
        return None
    identifier, flags, questions, *counts = HEADER.unpack_from(raw)
    if not flags & QR or flags & OPCODE or questions != 1:
        return None
    try:
        end = skip(raw, HEADER.size, compressed=False) + 4
        records, extended = _records(raw, end, counts)
    except (FormatError, struct.error):
        return None
    return Reply(raw, identifier, flags, raw[HEADER.size : end], extended << 4 | flags & 0xF, records)


def _records(raw: bytes, position: int, counts: list[int]) -> tuple[tuple[Placed, ...], int]:
    """The records up to the OPT record, and the upper bits of the response code that it carries."""
    records: list[Placed] = []
    extended, kept = 0, True
    for section, count in enumerate(counts):
        for _ in range(count):
            fixed = skip(raw, position)
            kind, of_class, ttl, length = RECORD.unpack_from(raw, fixed)
            end = fixed + RECORD.size + length
            if end > len(raw):
                raise FormatError("a record runs past the end of the message")
            if kind == RecordType.OPT:
                extended, kept = ttl >> 24, False
            elif kept and of_class == INTERNET:
                # RFC 2181: a time with the highest bit set means zero.
                ttl = 0 if ttl > 0x7FFFFFFF else min(ttl, LONGEST_TTL)
                records.append(Placed(position, fixed, end, section, kind, ttl))
            elif kept:
                raise FormatError("a record of another class")
            position = end
    return tuple(records), extended


def lifetime(reply: Reply, longest: int) -> int:
    """Seconds that a reply may be kept, at most `longest`; 0: not at all."""
    if reply.truncated or reply.rcode not in {Rcode.NOERROR, Rcode.NXDOMAIN}:
        return 0
    positive = [one.ttl for one in reply.records if one.section == ANSWER]
    if positive and reply.rcode == Rcode.NOERROR:
        return min(longest, *positive)
    negative = [
        min(one.ttl, int.from_bytes(reply.raw[one.end - 4 : one.end], "big"))
        for one in reply.records
        if one.section == AUTHORITY and one.type == RecordType.SOA
    ]
    return min(longest, *positive, *negative) if negative else 0


def replay(reply: Reply, query: Query, age: int, limit: int) -> bytes:
    """The reply as the answer to a query with the same question, `age` seconds after it came, in `limit` bytes."""
    trailer = options(dnssec=query.dnssec, rcode=reply.rcode) if query.edns else b""
    fitting = [one for one in reply.records if one.end + len(trailer) <= limit]
    counts = [0, 0, 0]
    for one in fitting:
        counts[one.section] += 1
    lost = any(one.section != ADDITIONAL for one in reply.records[len(fitting) :])
    flags = QR | RA | reply.flags & AA | query.flags & (RD | CD) | reply.rcode & 0xF
    if query.dnssec:
        flags |= reply.flags & AD
    if lost or reply.truncated:
        flags |= TC
    behind_question = HEADER.size + len(query.question)
    end = fitting[-1].end if fitting else behind_question
    body = bytearray(reply.raw[behind_question:end])
    for one in fitting:
        struct.pack_into("!I", body, one.fixed + 4 - behind_question, max(one.ttl - age, 0))
    header = HEADER.pack(query.id, flags, 1, counts[0], counts[1], counts[2] + bool(trailer))
    return header + query.question + bytes(body) + trailer


def names_of(reply: Reply, name: bytes) -> set[bytes]:
    """The folded name and those that it resolves to by the aliases of a reply. Raises FormatError."""
    aliases = {}
    for one in reply.records:
        if one.section == ANSWER and one.type == RecordType.CNAME:
            owner, target = _expand(reply.raw, one)
            aliases[owner.lower()] = target.lower()
    found = {name}
    while name in aliases and aliases[name] not in found:
        name = aliases[name]
        found.add(name)
    return found


def checked(reply: Reply, question: bytes) -> Reply | None:
    """The reply without records that its question does not lead to (bailiwick), and without additional ones.

    None where it cannot be read to its end, or has a question of another length: its records are repeated in place.
    """
    if len(reply.question) != len(question):
        return None
    try:
        names = names_of(reply, question[:-4].lower())
        kept = tuple(one for one in reply.records if one.section != ADDITIONAL and _leads_to(reply, one, names))
        if all(one is two for one, two in zip(kept, reply.records, strict=False)):
            return msgspec.structs.replace(reply, records=kept)
        raw = _rebuilt(reply, question, kept)
    except (FormatError, IndexError, struct.error):
        return None
    return parse_reply(raw)


def _leads_to(reply: Reply, one: Placed, names: set[bytes]) -> bool:
    owner = expand(reply.raw, one.start)[0].lower()
    if one.section == ANSWER and one.type != RecordType.DNAME:
        return owner in names
    return any(name.endswith(owner) for name in names)


def _rebuilt(reply: Reply, question: bytes, kept: tuple[Placed, ...]) -> bytes:
    """The same message with these records only."""
    counts = [sum(one.section == section for one in kept) for section in (ANSWER, AUTHORITY)]
    header = HEADER.pack(reply.id, reply.flags & ~0xF | reply.rcode & 0xF, 1, *counts, 0)
    records = []
    for one in kept:
        owner, data = _expand(reply.raw, one)
        records.append(record(compress(owner, question[:-4]), one.type, one.ttl, data))
    return b"".join((header, question, *records))


def response_of(reply: Reply, age: int, query: Query, rename: Callable[[bytes], bytes]) -> Response | None:
    """The content of a reply as the answer to a query, each owner's name through `rename`; None if it is broken."""
    sections: tuple[list[bytes], ...] = ([], [], [])
    try:
        for one in reply.records:
            owner, data = _expand(reply.raw, one)
            head = compress(rename(owner), query.name)
            sections[one.section].append(record(head, one.type, max(one.ttl - age, 0), data))
    except (FormatError, IndexError):
        return None
    rcode = Rcode(reply.rcode) if reply.rcode in _RCODES else Rcode.SERVFAIL
    answer, authority, additional = map(tuple, sections)
    return Response(rcode, answer, authority, additional, authoritative=bool(reply.flags & AA))


def addresses(reply: Reply) -> Iterator[bytes]:
    """The packed addresses of A and AAAA records in a reply's answer."""
    for one in reply.records:
        if one.section == ANSWER and one.type in {RecordType.A, RecordType.AAAA}:
            yield reply.raw[one.data : one.end]


def chased(reply: Reply, age: int, target: bytes, query: Query) -> tuple[bytes, ...]:
    """The records of a reply that lead from the target over aliases to the data of a query.

    Only records of names on that way are taken, whatever else the reply holds.
    """
    found: list[bytes] = []
    name, kind = target.lower(), query.type
    try:
        expanded = [(one, *_expand(reply.raw, one)) for one in reply.records if one.section == ANSWER]
    except (FormatError, IndexError):
        return ()
    for one, owner, data in expanded:
        if owner.lower() == name and one.type in {kind, RecordType.CNAME}:
            found.append(record(compress(owner, query.name), one.type, max(one.ttl - age, 0), data))
            if one.type == RecordType.CNAME and kind != RecordType.CNAME:
                name = data.lower()
    return tuple(found)


def _expand(raw: bytes, one: Placed) -> tuple[bytes, bytes]:
    """Owner and data of a record, free of pointers. Raises FormatError."""
    owner, _ = expand(raw, one.start)
    places = _NAMES_AT.get(RecordType(one.type)) if one.type in _NAMES_AT else None
    if places is None:
        return owner, raw[one.data : one.end]
    offset, count = places
    data = raw[one.data : one.data + offset]
    position = one.data + offset
    for _ in range(count):
        name, position = expand(raw, position)
        data += name
    if position > one.end:
        raise FormatError("a name runs past the end of its record")
    return owner, data + raw[position : one.end]
