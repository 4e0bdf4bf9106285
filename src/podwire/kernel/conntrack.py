"""Connection tracking: list flows and delete single ones, over netlink.

Sources: linux/netfilter/nfnetlink_conntrack.h, net/netfilter/nf_conntrack_netlink.c (filters: Linux 5.8 and up).
"""

from __future__ import annotations

import enum
import errno
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from podwire.kernel.address_flows import AddressFlow, of_addresses
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


class Family(enum.IntEnum):
    """Address families, by the kernel's numbers."""

    IPV4 = socket.AF_INET
    IPV6 = socket.AF_INET6


_KINDS = {Family.IPV4: (_SOURCE4, _DESTINATION4), Family.IPV6: (_SOURCE6, _DESTINATION6)}
"""Which attributes hold the addresses of a direction: where it comes from, where it goes."""


_STREAMS = frozenset({socket.IPPROTO_TCP, socket.IPPROTO_SCTP})
"""Protocols whose ends notice that the other one is another one."""


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

    def delete(self, flows: Iterable[Flow]) -> None:
        """Delete these entries; one that has ended by itself is no error. Raises NetlinkError."""
        self._netlink.run(
            Request(
                _DELETE,
                0,
                _FAMILY_HEADER.pack(flow.family, 0, 0) + flow.handle,
                f"delete flow {flow.source}:{flow.source_port} to {flow.destination}:{flow.destination_port}",
                accept=frozenset({errno.ENOENT}),
            )
            for flow in flows
        )

    def delete_of_addresses(self, addresses: Collection[IPAddress], *, streams: bool = True) -> None:
        """Delete all that is known of addresses that lose their owner; without `streams` not TCP and SCTP.

        Else a peer that keeps sending would reach the next owner by an entry that was allowed before. Raises
        NetlinkError.
        """
        self.delete_flows(flow for flow in self.flows_of(addresses) if streams or flow.protocol not in _STREAMS)

    def flows_of(self, addresses: Collection[IPAddress]) -> list[AddressFlow]:
        """Return the entries of all protocols with an end at one of the addresses. Raises NetlinkError."""
        return list(of_addresses(self._netlink, addresses))

    def delete_flows(self, flows: Iterable[AddressFlow]) -> None:
        """Delete these entries; one that has ended by itself is no error. Raises NetlinkError."""
        gone = frozenset({errno.ENOENT})
        headers = {4: _FAMILY_HEADER.pack(Family.IPV4, 0, 0), 6: _FAMILY_HEADER.pack(Family.IPV6, 0, 0)}
        self._netlink.run(
            Request(_DELETE, 0, headers[flow.source.version] + flow.handle, "delete a flow", accept=gone)
            for flow in flows
        )

    def _dump(self, family: Family, protocol: int) -> list[bytes]:
        """All entries of a protocol; the kernel leaves out the others."""
        number = attribute(_PROTOCOL_NUMBER, bytes([protocol]))
        body = _FAMILY_HEADER.pack(family, 0, 0)
        body += nested(_TUPLE_ORIGINAL, nested(_TUPLE_PROTOCOL, number))
        body += nested(_FILTER, attribute(_FILTER_ORIGINAL_FLAGS, struct.pack("=I", _FILTER_BY_PROTOCOL)))
        return self._netlink.dump(_GET, body)

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


def _tuple(family: Family, payload: bytes) -> tuple[str, int, str, int]:
    """Source, its port, destination, its port of one direction."""
    parts = attributes(payload)
    addresses, ports = attributes(parts[_TUPLE_IP]), attributes(parts[_TUPLE_PROTOCOL])
    source, destination = (socket.inet_ntop(family, addresses[kind]) for kind in _KINDS[family])
    return source, *_PORT.unpack(ports[_SOURCE_PORT]), destination, *_PORT.unpack(ports[_DESTINATION_PORT])
