"""Parts of elements of policy.nft: addresses, protocols, ports and numbers, to and from their typed values."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, cast

from podwire.kernel.elements import Part, Range, Word
from podwire.policy.model import PROTOCOLS

if TYPE_CHECKING:
    from podwire.policy.intervals import Interval
    from podwire.policy.model import IPAddress, IPNetwork


def address_part(first: IPAddress, last: IPAddress) -> Part:
    """Addresses in a set of intervals.

    nft 1.0.6 deletes from an interval set only what is written with a range or a prefix in at least one part.
    """
    return ipaddress.ip_network(first) if first == last else Range(first, last)


def read_addresses(part: Part) -> tuple[IPAddress, IPAddress]:
    """The first and the last address."""
    match part:
        case Range(first, last):
            return cast("IPAddress", first), cast("IPAddress", last)
        case ipaddress.IPv4Network() | ipaddress.IPv6Network():
            return part[0], part[-1]
        case _:
            return cast("IPAddress", part), cast("IPAddress", part)


def read_network(part: Part) -> IPNetwork:
    """The network that addresses in a set of intervals are; raises ValueError for what is no network."""
    (found,) = ipaddress.summarize_address_range(*read_addresses(part))
    return found


def read_ports(part: Part) -> Interval:
    """The first and the last port."""
    return (
        (read_number(part.first), read_number(part.last))
        if isinstance(part, Range)
        else (read_number(part), read_number(part))
    )


_WORDS = {protocol: Word(protocol.lower()) for protocol in PROTOCOLS}


def protocol_part(protocol: str) -> Word:
    """A protocol as nft names it."""
    return _WORDS[protocol]


def read_protocol(part: Part) -> str:
    """A protocol as Kubernetes names it."""
    return cast("Word", part).text.upper()


def read_number(part: object) -> int:
    """A part that must be a number; raises TypeError."""
    if not isinstance(part, int):
        raise TypeError(f"{part!r} is found where policy.nft has a number")
    return part
