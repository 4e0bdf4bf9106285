"""Ending TCP connections at a socket: both ends get a reset, also where nothing is sent any more.

Sources: sock_diag(7), linux/inet_diag.h, SOCK_DESTROY of linux/sock_diag.h (Linux 4.5 and up, with
CONFIG_INET_DIAG_DESTROY), tcp_abort of net/ipv4/tcp.c.
"""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from podwire.kernel.netlink import NETLINK_SOCK_DIAG, Netlink, NetlinkError, Request

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from podwire.kernel.address_flows import SocketEnds

_GET, _DESTROY = 20, 21
_REQUEST = struct.Struct("=BBBBI")
"""Family, protocol, extensions, padding, states; the id of the socket follows (inet_diag_req_v2)."""
_PORTS = struct.Struct("!HH")
_ID_OFFSET = 4
"""Of an answer (inet_diag_msg): family, state, timer and retransmissions come first."""
_COOKIE_OFFSET, _ID_BYTES = 40, 48
_ANY_INTERFACE, _ANY_COOKIE = b"\0" * 4, b"\xff" * 8
_ALL_STATES = 0xFFFFFFFF
_TCP, _TIME_WAIT, _LISTEN = 6, 6, 10
_FAMILIES = {4: 2, 6: 10}
_GONE = frozenset({errno.ENOENT})


class ResetsUnsupportedError(OSError):
    """The kernel cannot end sockets of others."""


def reset(namespace: Path | str, connections: Iterable[SocketEnds]) -> int:
    """End those of these connections that have a socket in the network namespace; return how many.

    Its program reads ECONNABORTED, and the peer is sent a reset. A socket that listens is never ended. Raises OSError
    where the namespace cannot be entered, ResetsUnsupportedError, NetlinkError.
    """
    ended = 0
    with Netlink(namespace, NETLINK_SOCK_DIAG) as netlink:
        for one in connections:
            cookie = _cookie(netlink, one)
            if cookie is not None:
                _destroy(netlink, one, cookie)
                ended += 1
    return ended


def _cookie(netlink: Netlink, ends: SocketEnds) -> bytes | None:
    """The cookie of the connection's socket, which no other socket ever has; None where there is none.

    Without it the kernel would take a listening socket of that port where no connected one is.
    """
    try:
        found = netlink.get(_GET, _body(ends, _ANY_COOKIE), f"find the socket of {ends}")
    except NetlinkError as error:
        if error.errno == errno.ENOENT:
            return None
        raise
    if found[1] in {_TIME_WAIT, _LISTEN}:
        return None
    return found[_ID_OFFSET + _COOKIE_OFFSET : _ID_OFFSET + _ID_BYTES]


def _destroy(netlink: Netlink, ends: SocketEnds, cookie: bytes) -> None:
    try:
        netlink.run([Request(_DESTROY, 0, _body(ends, cookie), f"end the socket of {ends}", accept=_GONE)])
    except NetlinkError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise ResetsUnsupportedError(error.errno, "the kernel lacks CONFIG_INET_DIAG_DESTROY") from error
        raise


def _body(ends: SocketEnds, cookie: bytes) -> bytes:
    header = _REQUEST.pack(_FAMILIES[ends.address.version], _TCP, 0, 0, _ALL_STATES)
    addresses = (address.packed.ljust(16, b"\0") for address in (ends.address, ends.peer))
    return header + _PORTS.pack(ends.port, ends.peer_port) + b"".join(addresses) + _ANY_INTERFACE + cookie
