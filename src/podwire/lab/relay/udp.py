"""Relay datagrams: each client of a host's socket has a socket of its own in the world, so that answers find back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from podwire.lab.relay.sockets import Sockets
from podwire.lab.relay.targets import Target

log = logging.getLogger(__name__)

LONGEST = 65535
IDLE_SECONDS = 120.0
"""A flow without datagrams ends; the kernel's connection tracking has the same time for a stream of them."""
MOST_FLOWS = 1000
"""Of all ports of a world."""
MOST_WAITING = 4
"""Datagrams of one flow that are kept until its target is known."""

Client = tuple[str, int]
Resolve = Callable[[], Awaitable[Sequence[Target]]]


class Flows:
    """The flows of all ports of a world; past `most` the one that was idle for longest ends."""

    def __init__(self, most: int = MOST_FLOWS) -> None:
        self._most = most
        self._used: dict[tuple[UdpRelay, Client], None] = {}

    def __len__(self) -> int:
        return len(self._used)

    def use(self, relay: UdpRelay, client: Client) -> None:
        """Count a flow as used now."""
        self._used.pop((relay, client), None)
        self._used[relay, client] = None
        while len(self._used) > self._most:
            longest_idle, other = next(iter(self._used))
            longest_idle.end(other)

    def remove(self, relay: UdpRelay, client: Client) -> None:
        """Count a flow no more."""
        self._used.pop((relay, client), None)


class _Flow:
    """The datagrams of one client."""

    def __init__(self, now: float) -> None:
        self.used = now
        self.waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self.server: socket.socket | None = None
        self.opening: asyncio.Task[None] | None = None


class UdpRelay:
    """Serves one socket of the host until it is closed. `resolve` returns where datagrams of a new flow go."""

    def __init__(self, host: socket.socket, resolve: Resolve, sockets: Sockets, flows: Flows) -> None:
        self._host = host
        self._all = flows
        self._resolve = resolve
        self._sockets = sockets
        self._flows: dict[Client, _Flow] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(host, self._from_client)
        self._sweep = self._loop.call_later(IDLE_SECONDS / 4, self._end_idle)

    def close(self) -> None:
        """Close the socket and end all flows."""
        self._sweep.cancel()
        self._loop.remove_reader(self._host)
        self._host.close()
        for client in list(self._flows):
            self.end(client)

    def _from_client(self) -> None:
        try:
            data, client = self._host.recvfrom(LONGEST)
        except OSError:
            return
        flow = self._flows.get(client) or self._open(client)
        flow.used = self._loop.time()
        self._all.use(self, client)
        if flow.server is None:
            flow.waiting.append(data)
        else:
            self._send(client, flow.server, data)

    def _open(self, client: Client) -> _Flow:
        flow = self._flows[client] = _Flow(self._loop.time())
        flow.opening = self._loop.create_task(self._connect(client, flow))
        return flow

    async def _connect(self, client: Client, flow: _Flow) -> None:
        try:
            targets = await self._resolve()
            if not targets:
                self.end(client)
                return
            target = targets[0]
            server = flow.server = self._sockets.make(target.host, target.version, "UDP")
            server.connect((target.address, target.port))
        except OSError as error:
            log.debug("a datagram of %s is lost: %s", client, error)
            self.end(client)
            return
        self._loop.add_reader(server, self._from_server, client, flow, server)
        while flow.waiting:
            self._send(client, server, flow.waiting.popleft())

    def _send(self, client: Client, server: socket.socket, data: bytes) -> None:
        try:
            server.send(data)
        except BlockingIOError:
            return  # as a full queue of a network device
        except OSError:  # refused: the port may be served again at the next datagram
            self.end(client)

    def _from_server(self, client: Client, flow: _Flow, server: socket.socket) -> None:
        try:
            data = server.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            self.end(client)
            return
        flow.used = self._loop.time()
        with contextlib.suppress(OSError):
            self._host.sendto(data, client)

    def _end_idle(self) -> None:
        now = self._loop.time()
        for client in [client for client, flow in self._flows.items() if now - flow.used > IDLE_SECONDS]:
            self.end(client)
        self._sweep = self._loop.call_later(IDLE_SECONDS / 4, self._end_idle)

    def end(self, client: Client) -> None:
        """End a client's flow; no error if there is none."""
        self._all.remove(self, client)
        flow = self._flows.pop(client, None)
        if flow is None:
            return
        if flow.server is not None:
            self._loop.remove_reader(flow.server)
            flow.server.close()
        elif flow.opening is not None and flow.opening is not asyncio.current_task():
            flow.opening.cancel()
