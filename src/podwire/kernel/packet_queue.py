"""Packets that a rule holds until they are released (NFQUEUE).

The kernel hands a queue's packets to one socket. Without a reader, or where the queue is full, packets of a rule with
`bypass` go on at once. Sources: linux/netfilter/nfnetlink_queue.h, net/netfilter/nfnetlink_queue.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import msgspec

from podwire.kernel.netlink import NETLINK_NETFILTER, Netlink, NetlinkError, Request, attribute, attributes, messages

_SUBSYSTEM = 3 << 8
_PACKET, _VERDICT, _CONFIG = _SUBSYSTEM, _SUBSYSTEM | 1, _SUBSYSTEM | 2
_COMMAND, _PARAMETERS, _LENGTH, _MASK, _FLAGS = 1, 2, 3, 4, 5
_BIND, _COPY_PACKET, _FAIL_OPEN = 1, 2, 1
_HEADER, _VERDICT_HEADER, _PAYLOAD = 1, 2, 10
_ACCEPT = 1
_GENERAL = struct.Struct("!BBH")

COPIED_BYTES = 4096
"""More than a DNS answer by UDP has, whatever a client takes by EDNS in practice."""
LONGEST_QUEUE = 1024
"""Packets that are held at once; more of them go on unread."""


class HeldPacket(msgspec.Struct, frozen=True):
    """One packet, from its IP header on, and the number by which it is released."""

    number: int
    packet: bytes


class PacketQueue:
    """Reads one queue of the network namespace that this thread is in. It does not block.

    Raises NetlinkError where the kernel has no NFQUEUE, or another process reads this queue (EBUSY or EPERM).
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._netlink = Netlink(protocol=NETLINK_NETFILTER)
        body = _GENERAL.pack(0, 0, number) + b"".join(attribute(*one) for one in _settings())
        try:
            self._netlink.run([Request(_CONFIG, 0, body, f"read packet queue {number}")])
        except NetlinkError:
            self._netlink.close()
            raise

    def fileno(self) -> int:
        """For the event loop: readable when packets wait."""
        return self._netlink.fileno()

    def close(self) -> None:
        """Read no more; the kernel drops what is held."""
        self._netlink.close()

    def take(self, most: int) -> list[HeldPacket]:
        """Take up to so many packets that wait."""
        return [one for datagram in self._netlink.take(most) for one in packets(datagram or b"")]

    def release(self, held: Iterable[HeldPacket]) -> None:
        """Let packets go on. One that the kernel holds no longer is no error."""
        self._netlink.send(_release(self._number, one.number) for one in held)


def packets(datagram: bytes) -> Iterator[HeldPacket]:
    """Decode the packets in a datagram of nfnetlink_queue."""
    for kind, payload in messages(datagram):
        parts = attributes(payload, _GENERAL.size) if kind == _PACKET else {}
        if len(parts.get(_HEADER, b"")) >= 4:
            yield HeldPacket(int.from_bytes(parts[_HEADER][:4], "big"), parts.get(_PAYLOAD, b""))


def _settings() -> Iterator[tuple[int, bytes]]:
    """All in one message: no packet comes before the answer to it is on its way."""
    yield _COMMAND, struct.pack("!BxH", _BIND, 0)
    yield _PARAMETERS, struct.pack("!IB", COPIED_BYTES, _COPY_PACKET)
    yield _LENGTH, struct.pack("!I", LONGEST_QUEUE)
    yield _MASK, struct.pack("!I", _FAIL_OPEN)
    yield _FLAGS, struct.pack("!I", _FAIL_OPEN)


def _release(queue: int, number: int) -> Request:
    verdict = attribute(_VERDICT_HEADER, struct.pack("!II", _ACCEPT, number))
    return Request(_VERDICT, 0, _GENERAL.pack(0, 0, queue) + verdict, f"release packet {number}")
