"""Sockets in the network namespaces of the host and of the world.

A process of a world cannot go back to the host's network namespace once it has left it, but one of its threads can
stay there.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from podwire.kernel import namespaces
from podwire.lab.base import paths
from podwire.lab.relay import low_ports

OUTSIDE = "outside"


class Sockets(Protocol):
    """What connects to the world; tests use the host's own loopback."""

    def make(self, host: str, version: int, protocol: str) -> socket.socket:
        """A socket on a host of the world, which does not block. Raises OSError."""
        ...


class HostBinder(Protocol):
    """What opens ports of the host."""

    async def bind(self, protocol: str, address: str, port: int) -> socket.socket:
        """A socket that is bound, and listens where the protocol is TCP. Raises OSError."""
        ...


class HostSockets:
    """Binds loopback ports of the host, in a thread that stays in the namespace in which this was made."""

    def __init__(self, low: socket.socket | None) -> None:
        self._low = low
        self._thread = ThreadPoolExecutor(1, "host")
        self._thread.submit(int).result()  # the thread exists from here on

    async def bind(self, protocol: str, address: str, port: int) -> socket.socket:
        """A socket that is bound, and listens where the protocol is TCP. Raises OSError."""
        loop = asyncio.get_running_loop()
        bound = await loop.run_in_executor(self._thread, self._bind, protocol, address, port)
        bound.setblocking(False)
        return bound

    def _bind(self, protocol: str, address: str, port: int) -> socket.socket:
        try:
            return low_ports.bind(protocol, address, port)
        except PermissionError:
            if self._low is None:
                raise
            return low_ports.request(self._low, protocol, address, port)


class WorldSockets:
    """Makes sockets on hosts of the world. The process itself is on the outside host from the first one on."""

    def __init__(self) -> None:
        namespaces.enter_network(paths.network(OUTSIDE))

    def make(self, host: str, version: int, protocol: str) -> socket.socket:
        """A socket on a host: `outside` or a node. Raises OSError."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        if host == OUTSIDE:
            found = socket.socket(family, low_ports.TYPES[protocol])
        else:
            with namespaces.inside_network(paths.network(host)):
                found = socket.socket(family, low_ports.TYPES[protocol])
        found.setblocking(False)
        return found
