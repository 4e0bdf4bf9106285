"""Do packets of full size reach other nodes? Pings that must not be fragmented, small and large, to several at once.

Sources: icmp(7), ip(7) (IP_MTU_DISCOVER), ipv6(7), RFC 792, RFC 4443.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Sequence

from podwire.insight.doctor.node_facts import Peer, ProbeFact
from podwire.kernel.datagram import family_of

_PROBE = 3
"""IP_PMTUDISC_PROBE: do not fragment, and ignore what was learned about the path."""
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
_ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}
"""Types of request and reply."""
_ICMP = struct.Struct("!BBHHH")
_HEADERS = {socket.AF_INET: 20, socket.AF_INET6: 40}
SMALL = 64
WAIT_SECONDS = 0.5
TRIES = 3


def probe(peers: Sequence[Peer], mtu: int) -> tuple[ProbeFact, ...]:
    """Ping each peer with packets of SMALL bytes and of `mtu`. Blocks 1.5 s at most. Raises OSError without NET_RAW."""
    by_family = {family: [peer for peer in peers if family_of(peer.address) == family] for family in _ECHO}
    return tuple(fact for family, some in by_family.items() if some for fact in _family(family, some, mtu))


def _family(family: socket.AddressFamily, peers: Sequence[Peer], mtu: int) -> Iterable[ProbeFact]:
    protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
        if family == socket.AF_INET:
            raw.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)
        else:
            raw.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
        desired = {number: (peers[number // 2], mtu if number % 2 else SMALL) for number in range(2 * len(peers))}
        missing = set(desired)
        identifier = os.getpid() & 0xFFFF
        for _ in range(TRIES):
            for number in sorted(missing):
                peer, size = desired[number]
                with contextlib.suppress(OSError):  # too large for the link, or no route: no answer
                    raw.sendto(request(family, identifier, number, size), (peer.address, 0))
            missing -= _replies(raw, family, identifier, missing)
            if not missing:
                break
    for index, peer in enumerate(peers):
        yield ProbeFact(peer, mtu, 2 * index not in missing, 2 * index + 1 not in missing)


def _replies(raw: socket.socket, family: socket.AddressFamily, identifier: int, desired: set[int]) -> set[int]:
    """Return the numbers of the requests that are answered within WAIT_SECONDS."""
    found: set[int] = set()
    deadline = time.monotonic() + WAIT_SECONDS
    while found != desired and (left := deadline - time.monotonic()) > 0:
        if not select.select([raw], [], [], left)[0]:
            break
        number = reply_number(family, identifier, raw.recv(65535))
        if number is not None:
            found.add(number)
    return found & desired


def request(family: socket.AddressFamily, identifier: int, number: int, size: int) -> bytes:
    """An echo request that makes a packet of this size; of ICMPv6 the kernel writes the checksum."""
    kind, _ = _ECHO[family]
    payload = bytes(size - _HEADERS[family] - _ICMP.size)
    checksum = 0 if family == socket.AF_INET6 else _checksum(_ICMP.pack(kind, 0, 0, identifier, number) + payload)
    return _ICMP.pack(kind, 0, checksum, identifier, number) + payload


def reply_number(family: socket.AddressFamily, identifier: int, packet: bytes) -> int | None:
    """The number of the request that a packet answers; None for any other packet."""
    if family == socket.AF_INET:
        packet = packet[(packet[0] & 0xF) * 4 :] if packet else b""
    if len(packet) < _ICMP.size:
        return None
    kind, _, _, found, number = _ICMP.unpack_from(packet)
    return int(number) if kind == _ECHO[family][1] and found == identifier else None


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)
