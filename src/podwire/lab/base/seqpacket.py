"""A unix socket that keeps message boundaries (SOCK_SEQPACKET) and carries descriptors, for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path

LARGEST_PACKET = 1 << 20
MOST_DESCRIPTORS = 8


class Packets:
    """One end of a connection. Not for several readers or several writers at once."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST_PACKET)
        self._socket = connection
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, path: Path) -> Packets:
        """Connect to a listener; raises OSError where there is none."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            connection.connect(str(path))
        except OSError:
            connection.close()
            raise
        return cls(connection)

    async def send(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send one packet; the other side gets copies of the descriptors."""
        while True:
            try:
                if descriptors:
                    socket.send_fds(self._socket, [data], descriptors)
                else:
                    self._socket.send(data, socket.MSG_NOSIGNAL)
            except BlockingIOError:
                await self._ready(write=True)
            else:
                return

    async def receive(self) -> tuple[bytes, list[int]]:
        """The next packet and its descriptors, which are the caller's to close; empty when the other side is gone."""
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._socket, LARGEST_PACKET, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                await self._ready(write=False)
            except ConnectionError:
                return b"", []
            else:
                return data, descriptors

    async def _ready(self, *, write: bool) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        number = self._socket.fileno()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        if write:
            self._loop.add_writer(number, wake)
        else:
            self._loop.add_reader(number, wake)
        try:
            await ready
        finally:
            if self._socket.fileno() == number:  # after close() the number may be another descriptor's
                (self._loop.remove_writer if write else self._loop.remove_reader)(number)

    def close(self) -> None:
        """End the connection. A task that is cancelled while it waits for it may end later than this."""
        number = self._socket.fileno()
        if number >= 0:
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)
        self._socket.close()


def listen(path: Path) -> socket.socket:
    """A listener that only its owner can connect to. At path it appears when it listens, in place of a dead one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    previous = os.umask(0o177)
    try:
        listener.bind(str(fresh))
    finally:
        os.umask(previous)
    listener.listen(64)
    fresh.rename(path)
    return listener
