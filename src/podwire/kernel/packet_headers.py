"""The headers of a packet from its first bytes: addresses, protocol, ports. Pure.

Sources: RFC 791, RFC 8200 (extension headers), RFC 9293, RFC 768, RFC 9260, RFC 792, RFC 4443.
"""

from __future__ import annotations

import ipaddress
import socket

import msgspec

from podwire.kernel.elements import IPAddress

_IPV4_BYTES, _IPV6_BYTES = 20, 40
_FRAGMENT, _FRAGMENT_BYTES = 44, 8
_UDP_BYTES = 8
_EXTENSIONS = frozenset({0, 43, 60, _FRAGMENT})
"""Hop-by-hop options, routing, destination options, fragment."""
_WITH_PORTS = frozenset({socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_SCTP})
_ECHO = frozenset({8, 128})
"""Types of ICMP and ICMPv6 that have an identifier."""


class Headers(msgspec.Struct, frozen=True):
    """What distinguishes a packet. Ports are None where the protocol has none, or the packet is a later fragment.

    `attempt` is the same for all repetitions of a connection's first packet: the sequence number of TCP, the identifier
    of an ICMP echo, else 0.
    """

    source: IPAddress
    destination: IPAddress
    protocol: int
    source_port: int | None = None
    port: int | None = None
    attempt: int = 0


def headers(packet: bytes) -> Headers | None:
    """Read the headers of an IP packet; None where it is none, or is cut off before its addresses."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= _IPV4_BYTES:
        source, destination = ipaddress.IPv4Address(packet[12:16]), ipaddress.IPv4Address(packet[16:20])
        later_fragment = int.from_bytes(packet[6:8], "big") & 0x1FFF
        body = b"" if later_fragment else packet[(packet[0] & 0xF) * 4 :]
        return _with_ports(Headers(source, destination, packet[9]), body)
    if version == 6 and len(packet) >= _IPV6_BYTES:
        source6, destination6 = ipaddress.IPv6Address(packet[8:24]), ipaddress.IPv6Address(packet[24:40])
        protocol, body = _past_extensions(packet[6], packet[_IPV6_BYTES:])
        return _with_ports(Headers(source6, destination6, protocol), body)
    return None


def datagram(packet: bytes) -> bytes | None:
    """Return what a whole UDP packet carries; None for anything else."""
    found = headers(packet)
    if found is None or found.protocol != socket.IPPROTO_UDP or found.port is None:
        return None
    if found.source.version == 4:
        return packet[(packet[0] & 0xF) * 4 + _UDP_BYTES :]
    return _past_extensions(packet[6], packet[_IPV6_BYTES:])[1][_UDP_BYTES:]


def _past_extensions(following: int, body: bytes) -> tuple[int, bytes]:
    while following in _EXTENSIONS and len(body) >= _FRAGMENT_BYTES:
        if following == _FRAGMENT:
            if int.from_bytes(body[2:4], "big") >> 3:
                return body[0], b""
            following, body = body[0], body[_FRAGMENT_BYTES:]
        else:
            following, body = body[0], body[(body[1] + 1) * 8 :]
    return following, body


def _with_ports(found: Headers, body: bytes) -> Headers:
    if found.protocol in _WITH_PORTS and len(body) >= 4:
        source, port = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
        sequence = int.from_bytes(body[4:8], "big") if found.protocol == socket.IPPROTO_TCP else 0
        return msgspec.structs.replace(found, source_port=source, port=port, attempt=sequence)
    if found.protocol in {socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6} and len(body) >= 6 and body[0] in _ECHO:
        return msgspec.structs.replace(found, attempt=int.from_bytes(body[4:6], "big"))
    return found
