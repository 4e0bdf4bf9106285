"""Whose network the process at the other end of a Unix socket has: the addresses that the node routes to it.

What the process itself can change is not read: its namespace is that of the process which connected, and the link and
the routes that lead there are the node's. Sources: unix(7), pidfd_open(2), linux/pidfd.h, linux/net_namespace.h.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
from collections.abc import Iterator

from podwire.kernel import routes
from podwire.kernel.elements import IPAddress
from podwire.kernel.netlink import Netlink, attributes, number

_SO_PEERPIDFD = 77
"""Linux 6.5."""
_PIDFD_GET_NET_NAMESPACE = 0xFF04
"""Linux 6.11."""
_UNKNOWN_OPTION, _UNKNOWN_REQUEST = errno.ENOPROTOOPT, frozenset({errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP})
_PEER = struct.Struct("=iII")
_RTM_GETLINK, _RTM_GETNSID = 18, 90
_NETNSA_NSID, _NETNSA_FD = 1, 3
_IFLA_LINK_NETNSID = 37
_LINK = struct.Struct("=BxHiII")


def addresses(connection: socket.socket) -> frozenset[IPAddress]:
    """Return the addresses that this thread's network routes to that of the peer; none where it is no network of a pod.

    Raises OSError where the peer has ended, or may not be looked at.
    """
    with _network(connection) as descriptor, Netlink() as netlink:
        link_ids = _links(netlink, descriptor)
        found = (route for version in (4, 6) for route in routes.routes(netlink, version))
        return frozenset(
            route.destination.network_address
            for route in found
            if route.link in link_ids and route.destination.num_addresses == 1
        )


@contextlib.contextmanager
def _network(connection: socket.socket) -> Iterator[int]:
    """A descriptor of the network namespace of the process that connected."""
    process = _process(connection)
    try:
        descriptor = _of_process(process, connection)
    finally:
        os.close(process)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _process(connection: socket.socket) -> int:
    """A pidfd of the process that connected: its number may be another's by now."""
    try:
        return connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        if error.errno != _UNKNOWN_OPTION:
            raise
    return os.pidfd_open(_number(connection))


def _of_process(process: int, connection: socket.socket) -> int:
    try:
        return int(fcntl.ioctl(process, _PIDFD_GET_NET_NAMESPACE, 0))
    except OSError as error:
        if error.errno not in _UNKNOWN_REQUEST:
            raise
    descriptor = os.open(f"/proc/{_number(connection)}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    ended, _, _ = select.select([process], [], [], 0)
    if ended:  # then the number may have been another process's when the file was opened
        os.close(descriptor)
        raise ProcessLookupError(errno.ESRCH, "the process that connected has ended")
    return descriptor


def _number(connection: socket.socket) -> int:
    pid, _, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    if pid <= 0:
        raise ProcessLookupError(errno.ESRCH, "the process that connected is in no PID namespace of this one")
    return int(pid)


def _links(netlink: Netlink, descriptor: int) -> frozenset[int]:
    """Return the indexes of links of this namespace whose other end is in that one."""
    answer = netlink.get(_RTM_GETNSID, bytes(4) + number(_NETNSA_FD, descriptor), "find the network of a process")
    found = attributes(answer, 4).get(_NETNSA_NSID)
    identifier = struct.unpack("=i", found)[0] if found is not None else -1
    if identifier < 0:
        return frozenset()
    return frozenset(
        _LINK.unpack_from(payload)[2]
        for payload in netlink.dump(_RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0))
        if _end(payload) == identifier
    )


def _end(payload: bytes) -> int:
    found = attributes(payload, _LINK.size).get(_IFLA_LINK_NETNSID)
    return int(struct.unpack("=i", found)[0]) if found is not None else -1
