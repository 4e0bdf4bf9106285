"""Real packets between namespaces: sockets that live in a host, and frames built by hand."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Callable, Iterator

from podwire.kernel.namespaces import inside_network
from podwire.pods.links import NODE_MAC
from tests.sandbox import Host

SECONDS = 30.0
TRIES = 60


def family(address: str) -> socket.AddressFamily:
    """The socket family of an address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@contextlib.contextmanager
def opened(host: Host, address: str, kind: socket.SocketKind, *, bound: int | None = None) -> Iterator[socket.socket]:
    """A socket in the host's namespace, bound to a port of all its addresses where one is given."""
    with inside_network(host.path):
        made = socket.socket(family(address), kind)
    with made:
        made.settimeout(SECONDS)
        if bound is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(("::" if ":" in address else "0.0.0.0", bound))
        yield made


def tcp_peer_seen(client: Host, server: Host, address: str, port: int = 8080, size: int = 100_000) -> str:
    """Connect, send `size` bytes, and answer the client's address as the server saw it. Raises OSError."""
    with (
        opened(server, address, socket.SOCK_STREAM, bound=port) as listener,
        opened(client, address, socket.SOCK_STREAM) as connection,
    ):
        listener.listen()
        connection.connect((address, port))
        accepted, peer = listener.accept()
        with accepted:
            accepted.settimeout(SECONDS)
            sent, received = 0, 0
            while received < size:
                sent += connection.send(bytes(min(size - sent, 20_000))) if sent < size else 0
                received += len(accepted.recv(65536))
        return str(peer[0])


def udp_peer_seen(client: Host, server: Host, address: str, *, payload: bytes = b"hello", port: int = 9000) -> str:
    """Send a datagram until one arrives; answer the sender's address as the receiver saw it. Raises TimeoutError."""
    with (
        opened(server, address, socket.SOCK_DGRAM, bound=port) as receiver,
        opened(client, address, socket.SOCK_DGRAM) as sender,
    ):
        data, peer = arrived(receiver, lambda: sender.sendto(payload, (address, port)))
        assert data == payload
        return str(peer[0])


def arrived(receiver: socket.socket, send: Callable[[], object]) -> tuple[bytes, tuple[str, int]]:
    """Send until a datagram arrives; answer it and its sender. Raises TimeoutError.

    A single one may be lost while a neighbour is changing, or where the machine's queues are full.
    """
    receiver.settimeout(SECONDS / TRIES)
    for _ in range(TRIES):
        send()
        with contextlib.suppress(TimeoutError):
            data, peer = receiver.recvfrom(65536)
            return data, (peer[0], peer[1])
    raise TimeoutError(f"none of {TRIES} datagrams to {receiver.getsockname()} arrived")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def transport(source: str, target: str, protocol: int, head: bytes, payload: bytes, at: int) -> bytes:
    """A transport packet with its checksum put in at this offset of its header."""
    data = head + payload
    pseudo = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    pseudo += struct.pack("!II", len(data), protocol)
    value = checksum(pseudo + data) or 0xFFFF
    return data[:at] + struct.pack("!H", value) + data[at + 2 :]


def ip_packet(source: str, target: str, protocol: int, payload: bytes, hops: int = 255) -> bytes:
    """An IPv4 or IPv6 packet."""
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    if ":" in target:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops) + ends + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, hops, protocol, 0) + ends
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp_packet(source: str, target: str, port: int, payload: bytes, source_port: int = 5555) -> bytes:
    """A UDP datagram with its IP header."""
    head = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0)
    return ip_packet(source, target, 17, transport(source, target, 17, head, payload, 6))


def icmp6_packet(source: str, target: str, kind: int, body: bytes) -> bytes:
    """An ICMPv6 packet with its IP header."""
    return ip_packet(source, target, 58, transport(source, target, 58, struct.pack("!BBH", kind, 0, 0), body, 2))


def ethernet(payload: bytes, kind: int, target: str = NODE_MAC, source: str = "02:00:00:00:00:01") -> bytes:
    """An Ethernet frame."""
    return bytes.fromhex((target + source).replace(":", "")) + struct.pack("!H", kind) + payload


def send_frame(host: Host, frame: bytes, link: str = "eth0") -> None:
    """Put a frame on a host's wire."""
    with inside_network(host.path), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((link, 0))
        wire.send(frame)


def send_packet(host: Host, packet: bytes) -> None:
    """Put an IP packet on a pod's wire, to the node's end."""
    send_frame(host, ethernet(packet, 0x86DD if packet[0] >> 4 == 6 else 0x0800))
