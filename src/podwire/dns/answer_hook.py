"""The seam for who must know an answer before the client has it: policies by domain names. Pure."""

from __future__ import annotations

import ipaddress
from typing import Protocol

import msgspec

from podwire.dns.message import Query
from podwire.dns.names import FormatError, IPAddress, to_text
from podwire.dns.outcome import Outcome, as_reply
from podwire.dns.records import RecordType
from podwire.dns.reply import ANSWER, names_of


class Learned(msgspec.Struct, frozen=True):
    """What an answer says: the name that was requested, all names on the way, the addresses, and seconds to live.

    Names are folded texts without the last dot.
    """

    name: str
    chain: tuple[str, ...]
    addresses: tuple[IPAddress, ...]
    ttl: int


class AnswerHook(Protocol):
    """Learns answers. An answer that concerns it is sent after `learn` has returned, or after a deadline."""

    def concerns(self, client: str, name: bytes) -> bool:
        """Whether answers to this client for this folded wire name must be learned. It is called for each query."""
        ...

    async def learn(self, client: str, answer: Learned) -> None:
        """Take one answer."""
        ...


def learned(query: Query, outcome: Outcome) -> Learned | None:
    """What an answer says about addresses; None where it has none."""
    found = as_reply(query, outcome)
    if found is None:
        return None
    reply, age = found
    kinds = {RecordType.A, RecordType.AAAA}
    records = [one for one in reply.records if one.section == ANSWER and one.type in kinds]
    try:
        names = names_of(reply, query.key)
    except (FormatError, IndexError):
        return None
    if not records:
        return None
    texts = sorted(to_text(name).removesuffix(".") for name in names)
    addresses = tuple(ipaddress.ip_address(reply.raw[one.data : one.end]) for one in records)
    ttl = max(min(one.ttl for one in records) - age, 0)
    return Learned(to_text(query.key).removesuffix("."), tuple(texts), addresses, ttl)
