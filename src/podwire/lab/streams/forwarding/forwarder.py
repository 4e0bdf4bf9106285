"""A tunnel on one side, TCP connections inside a pod's network on the other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path

from aiohttp import WSMsgType, web

from podwire.kernel import namespaces
from podwire.lab.streams.forwarding.tunnel import Connect, Dropped, Event, Input, InputEnded, Tunnel

CHUNK = 32 * 1024
WAITING_MESSAGES = 64
"""Messages that wait for a slow pod; then the client waits too."""

LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


async def connect(network: Path | None, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a port of a pod's loopback, IPv4 first. No network file is this process's own network.

    Raises OSError, the one of the first address where both refuse.
    """
    if network is not None and not network.exists():
        raise OSError("the pod is gone")
    first: OSError | None = None
    for family, host in LOOPBACKS:
        with namespaces.inside_network(network) if network else contextlib.nullcontext():
            connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, (host, port))
            return await asyncio.open_connection(sock=connection)
        except OSError as error:
            connection.close()
            first = first or error
        except BaseException:
            connection.close()
            raise
    assert first is not None
    raise first


class Forwarder:
    """Carries everything both ways until the client leaves or the tunnel ends. `pod` is for messages."""

    def __init__(self, client: web.WebSocketResponse, tunnel: Tunnel, network: Path | None, pod: str) -> None:
        self._client = client
        self._tunnel = tunnel
        self._network = network
        self._pod = pod
        self._sending = asyncio.Lock()
        self._inputs: dict[int, asyncio.Queue[bytes | None]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._flushes: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Return when it is over; no connection is left."""
        try:
            await self._obey(self._tunnel.begin())
            async for message in self._client:
                if message.type is WSMsgType.BINARY:
                    await self._obey(self._tunnel.receive(message.data))
                if self._tunnel.ended:
                    return
        finally:
            tasks = [*self._tasks.values(), *self._flushes]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._client.close()

    async def _obey(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case Connect(connection, port):
                    self._inputs[connection] = asyncio.Queue(WAITING_MESSAGES)
                    self._tasks[connection] = asyncio.create_task(self._serve(connection, port))
                case Input(connection, data):
                    await self._give(connection, data)
                case InputEnded(connection):
                    await self._give(connection, None)
                case Dropped(connection):
                    self._forget(connection)
        self._flush_soon()

    async def _give(self, connection: int, data: bytes | None) -> None:
        """Hand bytes to a connection, None for the end; those for one that is gone are lost, as on any network."""
        task, queue = self._tasks.get(connection), self._inputs.get(connection)
        if task is None or queue is None:
            return
        if not queue.full():
            queue.put_nowait(data)
            return
        putting = asyncio.ensure_future(queue.put(data))
        try:
            await asyncio.wait((putting, task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()

    def _forget(self, connection: int) -> None:
        self._inputs.pop(connection, None)
        if task := self._tasks.pop(connection, None):
            task.cancel()

    async def _serve(self, connection: int, port: int) -> None:
        """One connection from its beginning to its end."""
        error = ""
        try:
            await self._carry(connection, port)
        except OSError as problem:
            why = os.strerror(problem.errno) if problem.errno else str(problem)
            error = f"error forwarding port {port} to pod {self._pod}: connecting to its 127.0.0.1:{port}: {why}"
        self._tunnel.close(connection, error)
        await self._flush()
        self._inputs.pop(connection, None)
        self._tasks.pop(connection, None)
        if self._tunnel.ended:
            await self._client.close()

    async def _carry(self, connection: int, port: int) -> None:
        """Raises OSError where the pod cannot be connected to; a connection that breaks later has simply ended."""
        reader, writer = await connect(self._network, port)
        feeding = asyncio.create_task(_feed(writer, self._inputs[connection]))
        try:
            with contextlib.suppress(OSError):
                while data := await reader.read(CHUNK):
                    self._tunnel.output(connection, data)
                    await self._flush()
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            writer.close()

    def _flush_soon(self) -> None:
        """Send without waiting for a slow client: its data must be read meanwhile, or both would wait without end."""
        task = asyncio.create_task(self._flush())
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush(self) -> None:
        """Send what the tunnel has; messages of several connections do not overtake each other."""
        async with self._sending:
            for message in self._tunnel.unsent():
                with contextlib.suppress(ConnectionError):
                    await self._client.send_bytes(message)


async def _feed(writer: asyncio.StreamWriter, source: asyncio.Queue[bytes | None]) -> None:
    """Write what the client sends; its end ends only this direction."""
    with contextlib.suppress(OSError):
        while (data := await source.get()) is not None:
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
