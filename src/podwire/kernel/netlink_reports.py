"""A socket on which the kernel reports changes of a namespace's network.

Sources: netlink(7), rtnetlink(7), socket(7) SO_ATTACH_FILTER.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator

from podwire.kernel.netlink import NETLINK_ROUTE

_SO_ATTACH_FILTER = 26
_INSTRUCTION_BYTES = 8
_RECEIVE = 1 << 16


class NetlinkReports:
    """Reports of these multicast groups, in the namespace where this is made. It does not block.

    `program`, a filter of the kernel (struct sock_filter), decides which reports arrive.
    """

    def __init__(self, groups: int, program: bytes = b"") -> None:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_ROUTE)
        if program:
            instructions = ctypes.create_string_buffer(program, len(program))
            attached = struct.pack("HxxxxxxP", len(program) // _INSTRUCTION_BYTES, ctypes.addressof(instructions))
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)
        self._socket.bind((0, groups))

    def fileno(self) -> int:
        """For the event loop: readable when something has changed."""
        return self._socket.fileno()

    def close(self) -> None:
        """Receive no more."""
        self._socket.close()

    def take(self) -> Iterator[bytes | None]:
        """Take the datagrams that wait; None where some were lost, as more came than the socket holds (ENOBUFS)."""
        while True:
            try:
                yield self._socket.recv(_RECEIVE)
            except BlockingIOError:
                return
            except OSError:
                yield None
