"""Entries of connection tracking with an end at one of some addresses, of all protocols.

For few IPv4 addresses the kernel chooses, so only their entries are copied; it walks its table all the same. For
many, and for IPv6, its whole table is copied once a family, and the others are left out by their bytes: kernels up to
6.18 at least take an IPv6 filter for its opposite (ctnetlink_filter_match_tuple).
Sources: linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c (filters: Linux 5.8 and up).
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

import msgspec

from podwire.kernel.elements import IPAddress
from podwire.kernel.netlink import attribute, attributes, nested

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from podwire.kernel.netlink import Netlink

_GET = 1 << 8 | 1
_TUPLE_ORIGINAL, _TUPLE_REPLY, _ID, _MASTER, _FILTER = 1, 2, 12, 14, 25
_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2
_PROTOCOL_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_FILTER_ORIGINAL_FLAGS, _FILTER_REPLY_FLAGS = 1, 2
_BY_SOURCE, _BY_DESTINATION = 1 << 0, 1 << 1
_HEADER = struct.Struct("!BBH")
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_KINDS = {4: (1, 2), 6: (3, 4)}
"""Which attributes hold source and destination of a direction, by IP version."""

_SIZES = {4: 4, 6: 16}
"""Bytes of an address."""
_LENGTH_AND_KIND = struct.Struct("=HH")
_FIRST_SOURCE = 4 + 3 * _LENGTH_AND_KIND.size
"""Where the source of the original direction is: after the family's header and the headers of three attributes."""

MOST_FILTERED = 2
"""Addresses that the kernel is given one by one, each for three walks through its table."""


class SocketEnds(msgspec.Struct, frozen=True):
    """What a socket of a connection is bound to and connected to."""

    address: IPAddress
    port: int
    peer: IPAddress
    peer_port: int

    def __str__(self) -> str:
        return f"{self.address} port {self.port} to {self.peer} port {self.peer_port}"


class AddressFlow(msgspec.Struct, frozen=True):
    """One entry. `answering` is the end that answers: the destination after translation; `port` is its port.

    `related` is whether it belongs to another connection, as FTP's data does.
    """

    protocol: int
    source: IPAddress
    answering: IPAddress
    port: int | None
    related: bool
    handle: bytes
    """The attributes by which the kernel finds this entry again: its original direction and its number."""
    reply: bytes = b""
    """The attributes of the direction of replies."""


def sockets(flow: AddressFlow) -> tuple[SocketEnds, SocketEnds]:
    """Return the ends of the socket that began a connection, and those of the one that answers.

    They differ where addresses are translated between them. The protocol must have ports.
    """
    forth = attributes(attributes(flow.handle)[_TUPLE_ORIGINAL])
    return _ends(flow.source.version, forth), _ends(flow.source.version, attributes(flow.reply))


def _ends(version: int, direction: dict[int, bytes]) -> SocketEnds:
    addresses, protocol = attributes(direction[_TUPLE_IP]), attributes(direction[_TUPLE_PROTOCOL])
    source, destination = (ipaddress.ip_address(addresses[kind]) for kind in _KINDS[version])
    port, peer_port = (int.from_bytes(protocol[kind], "big") for kind in (_SOURCE_PORT, _DESTINATION_PORT))
    return SocketEnds(source, port, destination, peer_port)


def of_addresses(netlink: Netlink, addresses: Collection[IPAddress]) -> Iterator[AddressFlow]:
    """Return each entry with an end at one of the addresses once. Raises NetlinkError."""
    for version in (4, 6):
        wanted = {address.packed for address in addresses if address.version == version}
        if not wanted:
            continue
        if len(wanted) <= MOST_FILTERED and version == 4:
            payloads: Iterable[bytes] = _filtered(netlink, wanted)
        else:
            whole = netlink.dump(_GET, _HEADER.pack(_FAMILIES[version], 0, 0))
            size = _SIZES[version]
            payloads = (payload for payload in whole if _may_have(payload, size, wanted))
        known: set[bytes] = set()
        for payload in payloads:
            found = _read(version, payload, wanted)
            if found is not None and found.handle not in known:
                known.add(found.handle)
                yield found


def _filtered(netlink: Netlink, wanted: Iterable[bytes]) -> Iterator[bytes]:
    """The IPv4 entries with these sources, destinations, or answering ends."""
    source, destination = _KINDS[4]
    for address in wanted:
        for way, flags, flag, kind in (
            (_TUPLE_ORIGINAL, _FILTER_ORIGINAL_FLAGS, _BY_SOURCE, source),
            (_TUPLE_ORIGINAL, _FILTER_ORIGINAL_FLAGS, _BY_DESTINATION, destination),
            (_TUPLE_REPLY, _FILTER_REPLY_FLAGS, _BY_SOURCE, source),
        ):
            body = _HEADER.pack(_FAMILIES[4], 0, 0)
            body += nested(way, nested(_TUPLE_IP, attribute(kind, address)))
            body += nested(_FILTER, attribute(flags, struct.pack("=I", flag)))
            yield from netlink.dump(_GET, body)


def _may_have(payload: bytes, size: int, wanted: set[bytes]) -> bool:
    """Whether an end is wanted, by the place where the kernel writes it: reading all attributes costs ten times more.

    The original direction is the first attribute, the reply the second (ctnetlink_fill_info).
    """
    length, kind = _LENGTH_AND_KIND.unpack_from(payload, 4)
    second = 4 + (length + 3 & ~3)
    if kind & 0x3FFF != _TUPLE_ORIGINAL or _LENGTH_AND_KIND.unpack_from(payload, second)[1] & 0x3FFF != _TUPLE_REPLY:
        return True
    destination, answering = _FIRST_SOURCE + size + 4, second + _FIRST_SOURCE - 4
    return (
        payload[_FIRST_SOURCE : _FIRST_SOURCE + size] in wanted
        or payload[destination : destination + size] in wanted
        or payload[answering : answering + size] in wanted
    )


def _read(version: int, payload: bytes, wanted: set[bytes]) -> AddressFlow | None:
    """The entry; None where it has no end among the wanted ones."""
    found = attributes(payload, _HEADER.size)
    original, reply = attributes(found[_TUPLE_ORIGINAL]), attributes(found[_TUPLE_REPLY])
    source, destination = _KINDS[version]
    forth, back = attributes(original[_TUPLE_IP]), attributes(reply[_TUPLE_IP])
    if wanted.isdisjoint((forth[source], forth[destination], back[source])):
        return None
    protocol = attributes(reply[_TUPLE_PROTOCOL])
    port = protocol.get(_SOURCE_PORT)
    return AddressFlow(
        protocol[_PROTOCOL_NUMBER][0],
        ipaddress.ip_address(forth[source]),
        ipaddress.ip_address(back[source]),
        int.from_bytes(port, "big") if port is not None else None,
        _MASTER in found,
        nested(_TUPLE_ORIGINAL, found[_TUPLE_ORIGINAL]) + attribute(_ID, found[_ID]),
        found[_TUPLE_REPLY],
    )
