"""One resource record as text of a zone file (RFC 1035 section 5.1): `NAME [TTL] [IN] TYPE DATA`. Pure."""

from __future__ import annotations

import ipaddress
import shlex

import msgspec

from podwire.dns.names import FormatError, to_wire
from podwire.dns.records import AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, A, Data

DEFAULT_TTL = 60
LONGEST_TTL = 0x7FFFFFFF


class TextRecord(msgspec.Struct, frozen=True):
    """A record: its owner in wire form, seconds to live, and data."""

    owner: bytes
    ttl: int
    data: Data


def record_of_text(text: str) -> TextRecord:
    """Read one record. Raises FormatError."""
    try:
        words = shlex.split(text)
        owner, ttl = words.pop(0), DEFAULT_TTL
        while words[0].isdecimal() or words[0].upper() == "IN":
            word = words.pop(0)
            ttl = min(int(word), LONGEST_TTL) if word.isdecimal() else ttl
        kind = words.pop(0).upper()
        return TextRecord(to_wire(owner), ttl, _data(kind, words))
    except FormatError:
        raise
    except (ValueError, IndexError, TypeError):
        raise FormatError(f"{text!r} is no record NAME [TTL] [IN] TYPE DATA") from None


def _data(kind: str, words: list[str]) -> Data:
    match kind, words:
        case "CNAME", (target,):
            return CNAME(_name(target))
        case "PTR", (target,):
            return PTR(_name(target))
        case "NS", (target,):
            return NS(_name(target))
        case "A", (address,):
            return A(ipaddress.IPv4Address(address))
        case "AAAA", (address,):
            return AAAA(ipaddress.IPv6Address(address))
        case "MX", (preference, target):
            return MX(_number(preference), _name(target))
        case "SRV", (priority, weight, port, target):
            return SRV(_number(priority), _number(weight), _number(port), _name(target))
        case "TXT", (value,):
            return TXT(value)
        case "SOA", (server, mailbox, *numbers) if len(numbers) == 5:
            return SOA(_name(server), _name(mailbox), *(_number(one, 0xFFFFFFFF) for one in numbers))
    raise FormatError(
        f"type {kind} with {len(words)} values is not served; A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT are"
    )


def _name(text: str) -> str:
    to_wire(text)
    return text.removesuffix(".")


def _number(text: str, high: int = 0xFFFF) -> int:
    value = int(text)
    if not 0 <= value <= high:
        raise FormatError(f"{text} must be a number from 0 to {high}")
    return value
