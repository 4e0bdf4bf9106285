"""The addresses of the name that was requested, in an answer from a DNS server. Pure."""

from __future__ import annotations

import ipaddress

import msgspec

from podwire.dns.names import IPAddress, to_text
from podwire.dns.records import RecordType
from podwire.dns.reply import ANSWER, checked, parse_reply

_ADDRESSES = frozenset({RecordType.A, RecordType.AAAA})
_COUNTED = _ADDRESSES | {RecordType.CNAME}


class AddressAnswer(msgspec.Struct, frozen=True):
    """The requested name, folded, without the last dot; its addresses, through aliases too; seconds to live.

    The smallest time to live of an address or of an alias on the way to it counts.
    """

    name: str
    addresses: tuple[IPAddress, ...]
    ttl: int


def address_answer(raw: bytes) -> AddressAnswer | None:
    """Read a message; None where it is not the answer to a question for addresses, or has none.

    Records that the question does not lead to count for nothing.
    """
    reply = parse_reply(raw)
    if reply is None or int.from_bytes(reply.question[-4:-2], "big") not in _ADDRESSES:
        return None
    reply = checked(reply, reply.question)
    if reply is None:
        return None
    records = [one for one in reply.records if one.section == ANSWER and one.type in _COUNTED]
    data = [reply.raw[one.data : one.end] for one in records if one.type in _ADDRESSES]
    addresses = tuple(ipaddress.ip_address(one) for one in data if len(one) in {4, 16})
    if not addresses:
        return None
    name = to_text(reply.question[:-4].lower()).removesuffix(".")
    return AddressAnswer(name, addresses, min(one.ttl for one in records))
