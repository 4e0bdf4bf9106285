"""A relay's two sides on this machine's own loopback: servers that stand for the world's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

from podwire.lab.relay import low_ports
from podwire.lab.relay.targets import Target

DEADLINE = 60.0

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Loopback:
    """Sockets of this machine in place of the world's. `made` counts them."""

    def __init__(self) -> None:
        self.made = 0

    def make(self, host: str, version: int, protocol: str) -> socket.socket:
        assert (host, version) == ("outside", 4)
        self.made += 1
        found = socket.socket(socket.AF_INET, low_ports.TYPES[protocol])
        found.setblocking(False)
        return found


class Binder:
    """Binds ports of this machine; those of `taken` are in use."""

    def __init__(self, *taken: tuple[str, int]) -> None:
        self.taken = set(taken)
        self.tried: list[tuple[str, int]] = []

    async def bind(self, protocol: str, address: str, port: int) -> socket.socket:
        self.tried.append((address, port))
        if (address, port) in self.taken:
            raise OSError(98, "Address already in use")
        if 0 < port < 1024:
            raise PermissionError(13, "Permission denied")
        bound = low_ports.bind(protocol, address, port)
        bound.setblocking(False)
        return bound


def bound(protocol: str) -> socket.socket:
    """A free port of the host's side."""
    found = low_ports.bind(protocol, "127.0.0.1", 0)
    found.setblocking(False)
    return found


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Target]:
    """A TCP server on the world's side."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with server:
        yield Target("outside", "127.0.0.1", server.sockets[0].getsockname()[1])


def closed_port() -> Target:
    """A port that refuses connections."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return Target("outside", "127.0.0.1", one.getsockname()[1])


async def until(condition: Callable[[], bool]) -> None:
    """Return when a condition of this event loop holds. Raises TimeoutError."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
