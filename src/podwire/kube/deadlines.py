"""Time limits of a client of the API server: a dead connection, and a server that never responds, are noticed.

TCP keepalive and TCP_USER_TIMEOUT find a peer that is gone (a node's power failure, an address translation that was
lost, a load balancer that moved): the kernel ends the connection. A server that holds its connections and sends
nothing is found by the limits on reading. Source: tcp(7); k8s.io/client-go `rest/transport.go` and
`tools/cache/reflector.go`, which use HTTP/2 pings and a random `timeoutSeconds` for the same purpose.
"""

from __future__ import annotations

import random
import socket
from typing import Any

import aiohttp
import msgspec


class Deadlines(msgspec.Struct, frozen=True):
    """All times are seconds.

    Attributes:
        connect: for a connection, each of the server's addresses tried.
        call: for a whole call; the API server itself gives up after 60.
        watch_silence: without a line on a watch stream. Servers send a bookmark every 60.
        watch_shortest: a watch is requested for a random time from this to twice this.
        idle: without traffic before the kernel probes the connection.
        probe: between two probes; three without an answer end the connection.
        unacknowledged: sent data that the peer does not acknowledge ends the connection.

    """

    connect: float = 5.0
    call: float = 60.0
    watch_silence: float = 90.0
    watch_shortest: float = 300.0
    idle: int = 5
    probe: int = 2
    unacknowledged: float = 10.0

    @property
    def of_call(self) -> aiohttp.ClientTimeout:
        """Limits of a call."""
        return aiohttp.ClientTimeout(total=self.call, sock_connect=self.connect)

    @property
    def of_watch(self) -> aiohttp.ClientTimeout:
        """Limits of a watch stream."""
        return aiohttp.ClientTimeout(total=None, sock_connect=self.connect, sock_read=self.watch_silence)

    @property
    def of_stream(self) -> aiohttp.ClientTimeout:
        """Limits of a stream that may be silent, such as a log."""
        return aiohttp.ClientTimeout(total=None, sock_connect=self.connect)

    def watch_seconds(self) -> int:
        """How long the next watch shall last: random, so that clients do not all come back at once."""
        return round(self.watch_shortest * random.uniform(1, 2))  # noqa: S311 spreads load, no secret

    def socket(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for this `getaddrinfo` entry with keepalive and a limit on unacknowledged data. Raises OSError."""
        family, kind, protocol = address[:3]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self.idle)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, self.probe)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.unacknowledged * 1000))
        return made
