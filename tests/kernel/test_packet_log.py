"""Packets that rules log: decoded from bytes, and read from a kernel."""

import socket
import struct
import time
from ipaddress import ip_address
from pathlib import Path

import pytest

from podwire.kernel.netlink import NetlinkError, attribute, nested
from podwire.kernel.nftables import Nftables
from podwire.kernel.packet_headers import Headers, headers
from podwire.kernel.packet_log import LoggedPacket, PacketLog, packets
from tests.sandbox import sandboxed

A4, B4 = ip_address("192.0.2.1"), ip_address("192.0.2.2")
A6, B6 = ip_address("2001:db8::1"), ip_address("2001:db8::2")
PORTS = struct.pack("!HH", 40000, 80)
RULES = """add table inet t
add chain inet t c { type filter hook output priority 0; }
add rule inet t c udp dport 5000 log prefix "first" group 7 snaplen 128
"""


def ipv4(protocol: int, body: bytes, fragment: int = 0, options: bytes = b"") -> bytes:
    first = 0x40 | (5 + len(options) // 4)
    return struct.pack("!BBHHHBBH", first, 0, 0, 0, fragment, 64, protocol, 0) + A4.packed + B4.packed + options + body


def ipv6(following: int, body: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(body), following, 64) + A6.packed + B6.packed + body


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (ipv4(6, PORTS + struct.pack("!I", 99)), Headers(A4, B4, 6, 40000, 80, 99)),
        (ipv4(6, PORTS + struct.pack("!I", 99), options=b"\1" * 4), Headers(A4, B4, 6, 40000, 80, 99)),
        (ipv4(6, PORTS + struct.pack("!I", 99), fragment=0x4000), Headers(A4, B4, 6, 40000, 80, 99)),
        (ipv4(17, PORTS, fragment=0x2001), Headers(A4, B4, 17)),
        (ipv4(17, PORTS + b"\0" * 4), Headers(A4, B4, 17, 40000, 80)),
        (ipv4(132, PORTS + b"\1\2\3\4"), Headers(A4, B4, 132, 40000, 80)),
        (ipv4(17, PORTS[:3]), Headers(A4, B4, 17)),
        (ipv4(1, bytes([8, 0, 0, 0, 1, 2])), Headers(A4, B4, 1, attempt=258)),
        (ipv4(1, bytes([3, 0, 0, 0, 1, 2])), Headers(A4, B4, 1)),
        (ipv6(58, bytes([128, 0, 0, 0, 1, 2])), Headers(A6, B6, 58, attempt=258)),
        (ipv6(17, PORTS), Headers(A6, B6, 17, 40000, 80)),
        (ipv6(0, bytes([60, 0] + [0] * 6 + [17, 1] + [0] * 14) + PORTS), Headers(A6, B6, 17, 40000, 80)),
        (ipv6(44, bytes([17, 0, 0, 1] + [0] * 4) + PORTS), Headers(A6, B6, 17, 40000, 80)),
        (ipv6(44, bytes([17, 0, 0, 8] + [0] * 4) + PORTS), Headers(A6, B6, 17)),
        (ipv4(6, b"")[:19], None),
        (ipv6(6, b"")[:39], None),
        (b"", None),
        (b"\x50" * 60, None),
    ],
)
def test_headers(packet: bytes, expected: Headers | None) -> None:
    assert headers(packet) == expected


def message(kind: int, *parts: bytes) -> bytes:
    body = struct.pack("!BBH", 2, 0, 7) + b"".join(parts)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body + b"\0" * (-len(body) % 4)


def test_packets_of_a_datagram() -> None:
    payload = attribute(9, ipv4(17, PORTS))
    ends = nested(1, nested(1, attribute(2, B6.packed[:4])), nested(2, attribute(3, b"\0\x35")))
    full = message(
        0x400,
        attribute(10, b"egress\0"),
        attribute(4, struct.pack("!I", 3)),
        attribute(5, struct.pack("!I", 4)),
        attribute(3, struct.pack("!QQ", 5, 250000)),
        attribute(18, ends),
        payload,
    )
    other, unreadable = message(0x401, payload), message(0x400, attribute(9, b"no packet"))
    seen = Headers(A4, B4, 17, 40000, 80)
    assert list(packets(full + other + unreadable + message(0x400, payload))) == [
        LoggedPacket("egress", seen, 3, 4, (ip_address("32.1.13.184"), 53), 5.25),
        LoggedPacket("", seen),
    ]


def wait_for(log: PacketLog) -> LoggedPacket:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for packet in log.take(10):
            assert packet is not None
            return packet
        time.sleep(0.005)
    raise AssertionError("no packet was logged")


@sandboxed
def test_a_logged_packet_is_read_and_a_group_has_one_reader() -> None:
    Nftables().run(RULES)
    log = PacketLog(7)
    with pytest.raises(NetlinkError):
        PacketLog(7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"not logged", ("127.0.0.1", 5001))
        client.sendto(b"logged", ("127.0.0.1", 5000))
        sent = Headers(ip_address("127.0.0.1"), ip_address("127.0.0.1"), 17, client.getsockname()[1], 5000)
    found = wait_for(log)
    loopback = int(Path("/sys/class/net/lo/ifindex").read_text()) if Path("/sys/class/net/lo/ifindex").exists() else 1
    assert (found.prefix, found.headers, found.link_in, found.link_out) == ("first", sent, 0, loopback)
    assert list(log.take(10)) == []
    log.close()
    PacketLog(7).close()
