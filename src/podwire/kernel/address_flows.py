"""Entries of connection tracking with an end at one of some addresses, of all protocols.

Each walk through the kernel's table takes milliseconds however empty it is: it has 262,144 buckets by default, shared
by all network namespaces. So a namespace without entries is not walked, and one with few is walked once, for both
families. Of many entries the kernel chooses those of few IPv4 addresses, so that only they are copied. For many, and
for IPv6, all entries are copied once a family, and the others are left out by their bytes: kernels up to 6.18 at least
take an IPv6 filter for its opposite (ctnetlink_filter_match_tuple).
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
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from podwire.kernel.netlink import Netlink

_GET, _GET_STATS = 1 << 8 | 1, 1 << 8 | 5
_ENTRIES = 1
_TUPLE_ORIGINAL, _TUPLE_REPLY, _ID, _MASTER, _FILTER = 1, 2, 12, 14, 25
_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2
_PROTOCOL_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_FILTER_ORIGINAL_FLAGS, _FILTER_REPLY_FLAGS = 1, 2
_BY_SOURCE, _BY_DESTINATION = 1 << 0, 1 << 1
_HEADER = struct.Struct("!BBH")
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_VERSIONS = {int(family): version for version, family in _FAMILIES.items()}
_BOTH = socket.AF_UNSPEC
_KINDS = {4: (1, 2), 6: (3, 4)}
"""Which attributes hold source and destination of a direction, by IP version."""

_SIZES = {4: 4, 6: 16}
"""Bytes of an address."""
_LENGTH_AND_KIND = struct.Struct("=HH")
_FIRST_SOURCE = 4 + 3 * _LENGTH_AND_KIND.size
"""Where the source of the original direction is: after the family's header and the headers of three attributes."""

MOST_FILTERED = 2
"""Addresses that the kernel is given one by one, each for three walks through its table."""
FEW_ENTRIES = 4_000
"""Entries whose copies take less time than two walks more."""


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
    known: set[bytes] = set()
    for version, payload, desired in _candidates(netlink, addresses):
        found = _read(version, payload, desired)
        if found is not None and found.handle not in known:
            known.add(found.handle)
            yield found


def _candidates(netlink: Netlink, addresses: Collection[IPAddress]) -> Iterator[tuple[int, bytes, set[bytes]]]:
    """Return entries among which are those of the addresses, with the version of each and its desired addresses."""
    desired = {version: {each.packed for each in addresses if each.version == version} for version in _FAMILIES}
    versions = [version for version, found in desired.items() if found]
    entries = _entries(netlink) if versions else 0
    if not entries:
        return
    if entries <= FEW_ENTRIES:
        family = _FAMILIES[versions[0]] if len(versions) == 1 else _BOTH
        for payload in _copied(netlink, family, desired):
            yield _VERSIONS[payload[0]], payload, desired[_VERSIONS[payload[0]]]
        return
    for version in versions:
        if version == 4 and len(desired[4]) <= MOST_FILTERED:
            payloads = _filtered(netlink, desired[4])
        else:
            payloads = _copied(netlink, _FAMILIES[version], desired)
        yield from ((version, payload, desired[version]) for payload in payloads)


def _entries(netlink: Netlink) -> int:
    """The number of entries of this network namespace, those of packets on their way included."""
    answer = netlink.get(_GET_STATS, _HEADER.pack(_BOTH, 0, 0), "count the entries of connection tracking")
    return int.from_bytes(attributes(answer, _HEADER.size)[_ENTRIES], "big")


def _copied(netlink: Netlink, family: int, desired: Mapping[int, set[bytes]]) -> Iterator[bytes]:
    """All entries of a family, without most of those that have no end among the desired addresses of their version."""
    for payload in netlink.dump(_GET, _HEADER.pack(family, 0, 0)):
        version = _VERSIONS[payload[0]]
        if _may_have(payload, _SIZES[version], desired[version]):
            yield payload


def _filtered(netlink: Netlink, desired: Iterable[bytes]) -> Iterator[bytes]:
    """The IPv4 entries with these sources, destinations, or answering ends."""
    source, destination = _KINDS[4]
    for address in desired:
        for way, flags, flag, kind in (
            (_TUPLE_ORIGINAL, _FILTER_ORIGINAL_FLAGS, _BY_SOURCE, source),
            (_TUPLE_ORIGINAL, _FILTER_ORIGINAL_FLAGS, _BY_DESTINATION, destination),
            (_TUPLE_REPLY, _FILTER_REPLY_FLAGS, _BY_SOURCE, source),
        ):
            body = _HEADER.pack(_FAMILIES[4], 0, 0)
            body += nested(way, nested(_TUPLE_IP, attribute(kind, address)))
            body += nested(_FILTER, attribute(flags, struct.pack("=I", flag)))
            yield from netlink.dump(_GET, body)


def _may_have(payload: bytes, size: int, desired: set[bytes]) -> bool:
    """Whether an end is desired, by the place where the kernel writes it: reading all attributes costs ten times more.

    The original direction is the first attribute, the reply the second (ctnetlink_fill_info).
    """
    length, kind = _LENGTH_AND_KIND.unpack_from(payload, 4)
    second = 4 + (length + 3 & ~3)
    if kind & 0x3FFF != _TUPLE_ORIGINAL or _LENGTH_AND_KIND.unpack_from(payload, second)[1] & 0x3FFF != _TUPLE_REPLY:
        return True
    destination, answering = _FIRST_SOURCE + size + 4, second + _FIRST_SOURCE - 4
    return (
        payload[_FIRST_SOURCE : _FIRST_SOURCE + size] in desired
        or payload[destination : destination + size] in desired
        or payload[answering : answering + size] in desired
    )


def _read(version: int, payload: bytes, desired: set[bytes]) -> AddressFlow | None:
    """The entry; None where it has no end among the desired ones."""
    found = attributes(payload, _HEADER.size)
    original, reply = attributes(found[_TUPLE_ORIGINAL]), attributes(found[_TUPLE_REPLY])
    source, destination = _KINDS[version]
    forth, back = attributes(original[_TUPLE_IP]), attributes(reply[_TUPLE_IP])
    if desired.isdisjoint((forth[source], forth[destination], back[source])):
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
