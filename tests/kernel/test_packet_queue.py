"""Packets that a rule holds: passed without a reader, held with one, released."""

import select
import socket
import struct

import pytest

from podwire.kernel import queue_rule
from podwire.kernel.netlink import NetlinkError, attribute
from podwire.kernel.nftables import Nftables
from podwire.kernel.packet_headers import datagram
from podwire.kernel.packet_queue import HeldPacket, PacketQueue, packets
from tests.sandbox import sandboxed

RULES = """add table inet t
add chain inet t held
add chain inet t c { type filter hook output priority 0; }
add rule inet t c udp dport 5000 goto held
"""


def test_packets_of_a_datagram() -> None:
    body = struct.pack("!BBH", 2, 0, 7) + attribute(1, struct.pack("!IHBx", 9, 0x800, 2)) + attribute(10, b"packet")
    body += b"\0" * (-len(body) % 4)
    message = struct.pack("=IHHII", 16 + len(body), 0x300, 0, 0, 0) + body
    other = struct.pack("=IHHII", 16 + len(body), 0x301, 0, 0, 0) + body
    assert list(packets(message + other)) == [HeldPacket(9, b"packet")]


@sandboxed
def test_a_packet_waits_until_it_is_released() -> None:
    nft = Nftables()
    nft.run(RULES)
    queue_rule.hold(nft, "t", "held", 7)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        server.bind(("127.0.0.1", 5000))
        server.settimeout(30)
        client.sendto(b"nobody reads", ("127.0.0.1", 5000))
        assert server.recv(100) == b"nobody reads"
        queue = PacketQueue(7)
        with pytest.raises(NetlinkError):
            PacketQueue(7)
        client.sendto(b"held", ("127.0.0.1", 5000))
        held = queue.take(10)
        assert [datagram(one.packet) for one in held] == [b"held"]
        assert select.select([server], [], [], 0)[0] == []
        queue.release(held)
        assert server.recv(100) == b"held"
        queue.release(held)
        assert queue.take(10) == [], "a packet that is gone is no error"
        queue.close()
