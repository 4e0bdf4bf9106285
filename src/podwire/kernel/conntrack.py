"""Connection tracking: list flows and forget single ones, over netlink.

Sources: linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c (filters: Linux 5.8 and up).
"""

from __future__ import annotations

import enum
import errno
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podwire.kernel.netlink import NETLINK_NETFILTER, Netlink, Request, attribute, attributes, nested

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from podwire.kernel.elements import IPAddress

_GET = 1 << 8 | 1
_DELETE = 1 << 8 | 2
_TUPLE_ORIGINAL, _TUPLE_REPLY, _ID, _FILTER = 1, 2, 12, 25
_TUPLE_IP, _TUPLE_PROTOCOL = 1, 2
_SOURCE4, _DESTINATION4, _SOURCE6, _DESTINATION6 = 1, 2, 3, 4
_PROTOCOL_NUMBER, _SOURCE_PORT, _DESTINATION_PORT = 1, 2, 3
_FILTER_ORIGINAL_FLAGS = 1
_FILTER_BY_PROTOCOL = 1 << 3
_FAMILY_HEADER = struct.Struct("!BBH")
_PORT = struct.Struct("!H")
"""Listings in a row that may be torn by changes before it counts as an error."""


class Family(enum.IntEnum):
    """Address families, by the kernel's numbers."""

    IPV4 = socket.AF_INET
    IPV6 = socket.AF_INET6


_VERSIONS = {Family.IPV4: 4, Family.IPV6: 6}
_KINDS = {Family.IPV4: (_SOURCE4, _DESTINATION4), Family.IPV6: (_SOURCE6, _DESTINATION6)}
"""Which attributes hold the addresses of a direction: where it comes from, where it goes."""

_DATAGRAMS = {
    Family.IPV4: (socket.IPPROTO_UDP, socket.IPPROTO_ICMP),
    Family.IPV6: (socket.IPPROTO_UDP, socket.IPPROTO_ICMPV6),
}
"""Protocols whose ends do not notice that the other one is gone, or is another one."""


class FlowProtocol(enum.IntEnum):
    """Protocols with ports, by their IANA numbers."""

    TCP = socket.IPPROTO_TCP
    UDP = socket.IPPROTO_UDP
    SCTP = socket.IPPROTO_SCTP


@dataclass(frozen=True, slots=True)
class Flow:
    """One entry of the table: client, destination, and the end that answers.

    Without address translation the answering side is the destination itself. Addresses are texts in canonical form.
    """

    family: Family
    source: str
    source_port: int
    destination: str
    destination_port: int
    answering: str
    answering_port: int
    handle: bytes = field(repr=False)
    """The attributes by which the kernel finds this entry again: its original direction and its number."""


class Conntrack:
    """The connection tracking table of the network namespace that this thread was in when it was made."""

    def __init__(self) -> None:
        self._netlink = Netlink(protocol=NETLINK_NETFILTER)

    def flows(self, family: Family, protocol: FlowProtocol) -> Iterator[Flow]:
        """All flows of a protocol; the kernel leaves out the others. Raises NetlinkError."""
        for payload in self._dump(family, protocol):
            yield _flow(family, payload)

    def forget(self, flows: Iterable[Flow]) -> None:
        """Delete these entries; one that has ended by itself is no error. Raises NetlinkError."""
        self._netlink.run(
            Request(
                _DELETE,
                0,
                _FAMILY_HEADER.pack(flow.family, 0, 0) + flow.handle,
                f"forget flow {flow.source}:{flow.source_port} to {flow.destination}:{flow.destination_port}",
                accept=frozenset({errno.ENOENT}),
            )
            for flow in flows
        )

    def forget_addresses(self, addresses: Collection[IPAddress]) -> None:
        """Delete what is known of addresses that lose their owner: their datagrams and pings.

        Else a peer that keeps sending would reach the next owner by an entry that was allowed before. TCP and
        SCTP are kept: their ends notice by themselves, and a packet without an entry would be lost in silence. It takes
        some 20 ms, most of it in the kernel, which walks through its whole table. Raises NetlinkError.
        """
        for family, protocols in _DATAGRAMS.items():
            gone = {address.packed for address in addresses if address.version == _VERSIONS[family]}
            for protocol in protocols if gone else ():
                # Most entries are of others: to search their bytes costs a tenth of reading them.
                likely = (one for one in self._dump(family, protocol) if any(address in one for address in gone))
                self._delete(family, {_handle(one) for one in likely if gone & _ends(family, one)})

    def _dump(self, family: Family, protocol: int) -> list[bytes]:
        """All entries of a protocol; the kernel leaves out the others."""
        number = attribute(_PROTOCOL_NUMBER, bytes([protocol]))
        body = _FAMILY_HEADER.pack(family, 0, 0)
        body += nested(_TUPLE_ORIGINAL, nested(_TUPLE_PROTOCOL, number))
        body += nested(_FILTER, attribute(_FILTER_ORIGINAL_FLAGS, struct.pack("=I", _FILTER_BY_PROTOCOL)))
        return self._netlink.dump(_GET, body)

    def _delete(self, family: Family, handles: Iterable[bytes]) -> None:
        header, gone = _FAMILY_HEADER.pack(family, 0, 0), frozenset({errno.ENOENT})
        self._netlink.run(Request(_DELETE, 0, header + handle, "forget a flow", accept=gone) for handle in handles)

    def close(self) -> None:
        """Give the socket back."""
        self._netlink.close()


def _flow(family: Family, payload: bytes) -> Flow:
    found = attributes(payload, _FAMILY_HEADER.size)
    source, source_port, destination, destination_port = _tuple(family, found[_TUPLE_ORIGINAL])
    answering, answering_port, _, _ = _tuple(family, found[_TUPLE_REPLY])
    handle = _handle(payload)
    return Flow(family, source, source_port, destination, destination_port, answering, answering_port, handle)


def _handle(payload: bytes) -> bytes:
    found = attributes(payload, _FAMILY_HEADER.size)
    return nested(_TUPLE_ORIGINAL, found[_TUPLE_ORIGINAL]) + attribute(_ID, found[_ID])


def _ends(family: Family, payload: bytes) -> set[bytes]:
    """The addresses of an entry: client, destination, and the end that answers."""
    found = attributes(payload, _FAMILY_HEADER.size)
    original, reply = (attributes(attributes(found[way])[_TUPLE_IP]) for way in (_TUPLE_ORIGINAL, _TUPLE_REPLY))
    source, destination = _KINDS[family]
    return {original[source], original[destination], reply[source]}


def _tuple(family: Family, payload: bytes) -> tuple[str, int, str, int]:
    """Source, its port, destination, its port of one direction."""
    parts = attributes(payload)
    addresses, ports = attributes(parts[_TUPLE_IP]), attributes(parts[_TUPLE_PROTOCOL])
    source, destination = (socket.inet_ntop(family, addresses[kind]) for kind in _KINDS[family])
    return source, *_PORT.unpack(ports[_SOURCE_PORT]), destination, *_PORT.unpack(ports[_DESTINATION_PORT])
