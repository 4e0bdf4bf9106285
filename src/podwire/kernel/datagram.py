"""UDP sockets that answer from the address that the query was sent to, on machines with many addresses.

A reply from a wildcard socket takes its source from the route; a client drops it where that is not the address it
asked. IP_PKTINFO and IPV6_PKTINFO carry the address in and out. Sources: ip(7), ipv6(7), RFC 3542 section 6.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, NamedTuple

IP_PKTINFO = 8
"""From linux/in.h; Python 3.11 has no name for it."""

LARGEST_DATAGRAM = 4096
"""Bytes that are received of a datagram; the rest is cut off."""
_CONTROL_SPACE = socket.CMSG_SPACE(20)
_MOST_WAYS = 256

Way = tuple[tuple[int, int, bytes], ...]
"""Packet information of a reply, as sendmsg takes it."""


class Datagram(NamedTuple):
    """One datagram: its payload, its sender, and the packet information for the reply."""

    payload: bytes
    peer: Any
    route: Way


def family_of(address: str) -> socket.AddressFamily:
    """AF_INET or AF_INET6. Raises ValueError for what is no address."""
    return socket.AF_INET if ipaddress.ip_address(address).version == 4 else socket.AF_INET6


def listen_stream(address: str, port: int, backlog: int = 128) -> socket.socket:
    """A listening TCP socket, not blocking; an IPv6 one takes IPv6 only. Raises OSError."""
    listener = socket.socket(family_of(address), socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


class DatagramSocket:
    """A bound UDP socket, not blocking; an IPv6 one takes IPv6 only. The constructor raises OSError.

    Of `shared` sockets of one user at one port the kernel gives each a part of the clients (SO_REUSEPORT).
    """

    def __init__(self, address: str, port: int, *, shared: bool = False) -> None:
        self._socket = socket.socket(family_of(address), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if shared:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if self._socket.family == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                self._socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
            self._socket.bind((address, port))
        except OSError:
            self._socket.close()
            raise
        self.family = self._socket.family
        self._ways: dict[bytes, Way] = {}
        """Packet information of replies by that of what was received: the same for most."""

    def fileno(self) -> int:
        """For the event loop."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def receive(self) -> Datagram | None:
        """The next datagram; None where nothing waits, or where the kernel reports what an earlier reply met."""
        try:
            payload, control, _, peer = self._socket.recvmsg(LARGEST_DATAGRAM, _CONTROL_SPACE)
        except OSError:
            return None
        return Datagram(payload, peer, self.route(tuple(control)))

    def route(self, control: Way) -> Way:
        """Packet information of a reply to a datagram that was received with this one."""
        if not control:
            return ()
        way = self._ways.get(control[0][2])
        if way is None:
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            way = self._ways[control[0][2]] = tuple(_way_back(*one) for one in control)
        return way

    def reply(self, datagram: Datagram, payload: bytes) -> None:
        """Answer it. UDP promises nothing: what the kernel does not take is lost."""
        try:
            self._socket.sendmsg((payload,), datagram.route, 0, datagram.peer)
        except OSError:
            return


def _way_back(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """Packet information of a reply: the same local address; the interface only where the address needs it."""
    if level == socket.IPPROTO_IP:
        return level, kind, bytes(4) + data[4:8] + bytes(4)
    return level, kind, data if is_link_local(data) else data[:16] + bytes(4)


def is_link_local(data: bytes | bytearray, place: int = 0) -> bool:
    """Whether the packed IPv6 address at this place has a meaning on one link only."""
    return data[place] == 0xFE and data[place + 1] & 0xC0 == 0x80
