"""Packets that rules log (NFLOG), each with its prefix, links, and the connection that it begins.

The kernel hands a group's packets to one socket. Without a reader a `log` rule costs little more than a look-up.
Sources: linux/netfilter/nfnetlink_log.h, net/netfilter/nfnetlink_log.c, linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator

import msgspec

from podwire.kernel.elements import IPAddress
from podwire.kernel.netlink import NETLINK_NETFILTER, Netlink, NetlinkError, Request, attribute, attributes, messages
from podwire.kernel.packet_headers import Headers, headers

_SUBSYSTEM = 4 << 8
_PACKET, _CONFIG = _SUBSYSTEM, _SUBSYSTEM | 1
_COMMAND, _MODE, _TIMEOUT, _THRESHOLD, _FLAGS = 1, 2, 4, 5, 6
_BIND, _COPY_PACKET, _WITH_CONNTRACK = 1, 2, 4
_TIMESTAMP, _LINK_IN, _LINK_OUT, _PAYLOAD, _PREFIX, _CONNECTION = 3, 4, 5, 9, 10, 18
_GENERAL = struct.Struct("!BBH")
_TUPLE_ORIGINAL, _TUPLE_IP, _TUPLE_PROTOCOL = 1, 1, 2
_DESTINATION4, _DESTINATION6, _DESTINATION_PORT = 2, 4, 3

COPIED_BYTES = 128
"""Enough for the headers of IPv6 with some extensions."""
WAIT_HUNDREDTHS = 5
"""Longest time that a packet waits in the kernel for others, in 1/100 s."""
TOGETHER = 32
"""Packets after which the kernel hands them over at once."""


class LoggedPacket(msgspec.Struct, frozen=True):
    """One packet as a rule saw it. Links are indexes, 0 for none.

    `original` is the destination that the client chose, before a Service's address became an endpoint's; None where
    connection tracking does not know. `time` is in seconds since 1970, None where the kernel did not note it.
    """

    prefix: str
    headers: Headers
    link_in: int = 0
    link_out: int = 0
    original: tuple[IPAddress, int | None] | None = None
    time: float | None = None


class PacketLog:
    """Reads the packets of one group of the network namespace that this thread is in. It does not block.

    Raises NetlinkError where the kernel has no NFLOG, or another process reads this group (EBUSY).
    """

    def __init__(self, group: int) -> None:
        self._netlink = Netlink(protocol=NETLINK_NETFILTER)
        try:
            self._netlink.run([_configuration(group, *parts) for parts in _settings()])
            # A kernel without nf_conntrack_netlink hands packets over without their connections.
            self._netlink.attempt([_configuration(group, _FLAGS, struct.pack("!H", _WITH_CONNTRACK))])
        except NetlinkError:
            self._netlink.close()
            raise

    def fileno(self) -> int:
        """For the event loop: readable when packets wait."""
        return self._netlink.fileno()

    def close(self) -> None:
        """Read no more; the kernel removes the reader of the group."""
        self._netlink.close()

    def take(self, most: int) -> Iterator[LoggedPacket | None]:
        """Take the packets of up to so many datagrams that wait; None where the kernel lost some."""
        for datagram in self._netlink.take(most):
            if datagram is None:
                yield None
            else:
                yield from packets(datagram)


def packets(datagram: bytes) -> Iterator[LoggedPacket]:
    """Decode the packets in a datagram of nfnetlink_log."""
    for kind, payload in messages(datagram):
        found = _packet(payload) if kind == _PACKET else None
        if found is not None:
            yield found


def _settings() -> Iterator[tuple[int, bytes]]:
    yield _COMMAND, bytes([_BIND])
    yield _MODE, struct.pack("!IBx", COPIED_BYTES, _COPY_PACKET)
    yield _TIMEOUT, struct.pack("!I", WAIT_HUNDREDTHS)
    yield _THRESHOLD, struct.pack("!I", TOGETHER)


def _configuration(group: int, kind: int, value: bytes) -> Request:
    return Request(_CONFIG, 0, _GENERAL.pack(0, 0, group) + attribute(kind, value), f"read packet log group {group}")


def _packet(payload: bytes) -> LoggedPacket | None:
    parts = attributes(payload, _GENERAL.size)
    found = headers(parts.get(_PAYLOAD, b""))
    if found is None:
        return None
    return LoggedPacket(
        parts.get(_PREFIX, b"").rstrip(b"\0").decode("ascii", "replace"),
        found,
        _index(parts.get(_LINK_IN)),
        _index(parts.get(_LINK_OUT)),
        _original(parts[_CONNECTION]) if _CONNECTION in parts else None,
        _time(parts.get(_TIMESTAMP)),
    )


def _index(value: bytes | None) -> int:
    return int.from_bytes(value, "big") if value else 0


def _time(value: bytes | None) -> float | None:
    if value is None or len(value) < 16:
        return None
    seconds, microseconds = struct.unpack_from("!QQ", value)
    return float(seconds + microseconds / 1e6)


def _original(connection: bytes) -> tuple[IPAddress, int | None] | None:
    """The destination of a connection's original direction."""
    ends = attributes(attributes(connection).get(_TUPLE_ORIGINAL, b""))
    addresses, protocol = attributes(ends.get(_TUPLE_IP, b"")), attributes(ends.get(_TUPLE_PROTOCOL, b""))
    raw = addresses.get(_DESTINATION4) or addresses.get(_DESTINATION6)
    if raw is None:
        return None
    port = protocol.get(_DESTINATION_PORT)
    return ipaddress.ip_address(raw), int.from_bytes(port, "big") if port is not None else None
