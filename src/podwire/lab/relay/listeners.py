"""Open ports of the host: connections and datagrams that arrive are relayed into the world."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from podwire.lab.relay import tcp
from podwire.lab.relay.sockets import Sockets
from podwire.lab.relay.targets import Target
from podwire.lab.relay.udp import Flows, UdpRelay

Resolve = Callable[[], Awaitable[Sequence[Target]]]

PAUSE_SECONDS = 0.5
"""After the kernel refused a connection's descriptor."""


class Connections:
    """The TCP connections of all listeners: never more than `most`; past it new ones wait in the kernel's queue.

    `flows` are those of datagrams.
    """

    def __init__(self, most: int) -> None:
        self.flows = Flows()
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()
        self._listeners: set[TcpListener] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, listener: TcpListener) -> None:
        """Have this listener accept while there is room."""
        self._listeners.add(listener)
        if len(self._tasks) < self._most:
            listener.resume()

    def remove(self, listener: TcpListener) -> None:
        """Remove a listener that is closed; its connections go on."""
        self._listeners.discard(listener)

    def start(self, task: asyncio.Task[None]) -> None:
        """Count a connection until its task ends."""
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        if len(self._tasks) >= self._most:
            for listener in self._listeners:
                listener.pause()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if len(self._tasks) == self._most - 1:
            for listener in self._listeners:
                listener.resume()


class TcpListener:
    """Accepts on a listening socket. `resolve` returns the targets of a new connection; none is a reset."""

    def __init__(self, host: socket.socket, resolve: Resolve, sockets: Sockets, connections: Connections) -> None:
        self._host = host
        self._resolve = resolve
        self._sockets = sockets
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._later: asyncio.TimerHandle | None = None
        connections.add(self)

    def resume(self) -> None:
        """Accept from now on."""
        if self._host.fileno() >= 0:
            self._loop.add_reader(self._host, self._accept)

    def pause(self) -> None:
        """Accept nothing until `resume`."""
        self._loop.remove_reader(self._host)

    def close(self) -> None:
        """Close the port; no error if it is closed. Connections that exist go on."""
        if self._host.fileno() < 0:
            return
        self._connections.remove(self)
        if self._later is not None:
            self._later.cancel()
        self.pause()
        self._host.close()

    def _accept(self) -> None:
        try:
            client, _ = self._host.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # no descriptor is free
            self.pause()
            self._later = self._loop.call_later(PAUSE_SECONDS, self.resume)
            return
        client.setblocking(False)
        self._connections.start(self._loop.create_task(self._relay(client)))

    async def _relay(self, client: socket.socket) -> None:
        try:
            targets = await self._resolve()
        except BaseException:
            client.close()
            raise
        await tcp.relay(client, targets, self._sockets)


def listener(
    protocol: str, host: socket.socket, resolve: Resolve, sockets: Sockets, connections: Connections
) -> TcpListener | UdpRelay:
    """Serve a bound socket of the host until it is closed."""
    if protocol == "UDP":
        return UdpRelay(host, resolve, sockets, connections.flows)
    return TcpListener(host, resolve, sockets, connections)
