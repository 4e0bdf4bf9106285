"""Relay TCP connections between a socket of the host and one of the world."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Sequence

from podwire.lab.relay.sockets import Sockets
from podwire.lab.relay.targets import Target

log = logging.getLogger(__name__)

CHUNK = 32 * 1024
"""Bytes that one direction of a connection holds in this process at most."""

CONNECT_SECONDS = 10.0
STAGGER_SECONDS = 0.25
"""Before the next target is tried beside one that has not answered yet. Source: RFC 8305, section 5."""

KEEPALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 6))
"""Ends connections whose other end is gone without a word, such as a node that was switched off."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which close sends a reset (socket(7))."""


async def relay(client: socket.socket, targets: Sequence[Target], sockets: Sockets) -> None:
    """Connect to the first target that accepts, and pass bytes on until both directions have ended. Closes `client`.

    The end of one direction is passed on alone; a reset, and a refusal of all targets, is a reset at the other side.
    """
    server: socket.socket | None = None
    try:
        server = await connect(targets, sockets)
        await _exchange(client, server)
    except OSError as error:
        log.debug("a connection to %s ended: %s", targets, error)
        for end in (client, server):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    finally:
        client.close()
        if server is not None:
            server.close()


async def connect(targets: Sequence[Target], sockets: Sockets) -> socket.socket:
    """Return a connection to the first target that accepts one. Raises OSError where none does."""
    failure = OSError(errno.EHOSTUNREACH, "no target")
    waiting: set[asyncio.Task[socket.socket]] = set()
    untried = list(targets)
    try:
        while untried or waiting:
            if untried:
                waiting.add(asyncio.create_task(_connect(untried.pop(0), sockets)))
            pause = STAGGER_SECONDS if untried else None
            done, waiting = await asyncio.wait(waiting, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is None:
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                failure = error
        raise failure
    finally:
        for task in waiting:
            task.cancel()
            task.add_done_callback(_close_late)


async def _connect(target: Target, sockets: Sockets) -> socket.socket:
    """Raise OSError, which a timeout is too."""
    server = sockets.make(target.host, target.version, "TCP")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await asyncio.get_running_loop().sock_connect(server, (target.address, target.port))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            server.setsockopt(socket.IPPROTO_TCP, option, value)
    except BaseException:
        server.close()
        raise
    return server


def _close_late(task: asyncio.Task[socket.socket]) -> None:
    """Close a second connection that was made at the same moment as the first."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _exchange(client: socket.socket, server: socket.socket) -> None:
    """Pass bytes on in both directions. Raises OSError where either side is reset."""
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    directions = [asyncio.create_task(_pass_on(client, server)), asyncio.create_task(_pass_on(server, client))]
    try:
        await asyncio.gather(*directions)
    finally:
        for task in directions:
            task.cancel()
        await asyncio.gather(*directions, return_exceptions=True)


async def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    """Until the source has no more; the sink reads then that there is no more."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK):  # no buffer exists while there is nothing to read
        await loop.sock_sendall(sink, data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
