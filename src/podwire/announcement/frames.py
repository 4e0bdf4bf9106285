"""Ethernet frames that report to a link's hosts where an address is now. Pure: addresses in, bytes out.

Sources: RFC 826 and RFC 5227 section 3 (ARP announcements); RFC 4861 section 4.4 (neighbour advertisements) and 7.2.6
(unsolicited ones); RFC 4443 section 2.3 (checksum).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator

from podwire.kube.addresses import IPAddress

_BROADCAST = b"\xff" * 6
_ALL_NODES = ipaddress.IPv6Address("ff02::1")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ARP, _IPV6 = 0x0806, 0x86DD
_REQUEST, _REPLY = 1, 2
_ICMPV6, _NEIGHBOUR_ADVERTISEMENT = 58, 136
_OVERRIDE = 0x2000_0000
_TARGET_LINK_LAYER_ADDRESS = 2
_HOP_LIMIT = 255


def announcements(address: IPAddress, mac: bytes) -> Iterator[bytes]:
    """Return the frames after which the hosts of a link send what is for the address to `mac` (6 bytes).

    For IPv4 an ARP request and a reply, each with the address as sender and target: some hosts follow one of them only.
    """
    if isinstance(address, ipaddress.IPv6Address):
        yield _advertisement(address, mac)
    else:
        yield _arp(_REQUEST, address, mac)
        yield _arp(_REPLY, address, mac)


def _arp(operation: int, address: ipaddress.IPv4Address, mac: bytes) -> bytes:
    target = bytes(6) if operation == _REQUEST else mac
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return _ethernet(_BROADCAST, mac, _ARP) + head + mac + address.packed + target + address.packed


def _advertisement(address: ipaddress.IPv6Address, mac: bytes) -> bytes:
    """Sent from the address itself: its link-local source would need to be known here."""
    option = struct.pack("!BB", _TARGET_LINK_LAYER_ADDRESS, 1) + mac
    body = struct.pack("!I", _OVERRIDE) + address.packed + option
    length = 4 + len(body)
    pseudo = address.packed + _ALL_NODES.packed + struct.pack("!II", length, _ICMPV6)
    kind = struct.pack("!BB", _NEIGHBOUR_ADVERTISEMENT, 0)
    checksum = _checksum(pseudo + kind + bytes(2) + body)
    header = struct.pack("!IHBB", 6 << 28, length, _ICMPV6, _HOP_LIMIT) + address.packed + _ALL_NODES.packed
    return _ethernet(_ALL_NODES_MAC, mac, _IPV6) + header + kind + struct.pack("!H", checksum) + body


def _ethernet(destination: bytes, source: bytes, kind: int) -> bytes:
    return destination + source + struct.pack("!H", kind)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
