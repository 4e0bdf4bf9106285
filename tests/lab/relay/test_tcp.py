from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from podwire.lab.relay import tcp
from podwire.lab.relay.listeners import Connections, TcpListener
from podwire.lab.relay.targets import Target
from tests.lab.relay.loopback import DEADLINE, Loopback, bound, closed_port, serving, until


class Host:
    """A port of the host that leads to some targets."""

    def __init__(self, *targets: Target, most: int = 100) -> None:
        self.socket = bound("TCP")
        self.address = self.socket.getsockname()
        self.connections = Connections(most)
        self.targets = targets
        self.listener = TcpListener(self.socket, self._resolve, Loopback(), self.connections)

    async def _resolve(self) -> tuple[Target, ...]:
        return self.targets


class Client:
    """A connection to a port of the host."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def all(self) -> bytes:
        """What comes until the other side has no more."""
        return await asyncio.wait_for(self.reader.read(), DEADLINE)

    async def exchange(self, data: bytes) -> bytes:
        """What comes back for some bytes: as many."""
        self.writer.write(data)
        return await asyncio.wait_for(self.reader.readexactly(len(data)), DEADLINE)


@contextlib.asynccontextmanager
async def relayed(*targets: Target, most: int = 100) -> AsyncIterator[Host]:
    """A port that is closed after the test, when its connections have ended."""
    host = Host(*targets, most=most)
    try:
        yield host
        await until(lambda: len(host.connections) == 0)
    finally:
        host.listener.close()


@contextlib.asynccontextmanager
async def connected(host: Host) -> AsyncIterator[Client]:
    reader, writer = await asyncio.wait_for(asyncio.open_connection(*host.address), DEADLINE)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_bytes_go_both_ways_however_many() -> None:
    payload = bytes(range(256)) * 4096
    async with serving(echo) as target, relayed(target) as host, connected(host) as client:
        client.writer.write(payload)
        client.writer.write_eof()
        assert await client.all() == payload


async def test_the_end_of_one_direction_leaves_the_other_open() -> None:
    async def counts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = await reader.read()  # until the client has no more
        writer.write(b"%d" % len(got))
        writer.close()

    async with serving(counts) as target, relayed(target) as host, connected(host) as client:
        client.writer.write(b"x" * 1000)
        client.writer.write_eof()
        assert await client.all() == b"1000"


async def test_a_server_that_ends_first_still_gets_the_rest() -> None:
    rest: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        rest.set_result(await reader.read())
        writer.close()

    async with serving(ends) as target, relayed(target) as host, connected(host) as client:
        assert await client.all() == b""
        client.writer.write(b"late")
        client.writer.write_eof()
        assert await asyncio.wait_for(rest, DEADLINE) == b"late"


@pytest.mark.parametrize("refused", [True, False])
async def test_without_a_server_the_client_gets_a_reset(*, refused: bool) -> None:
    async with relayed(*[closed_port()] * refused) as host, connected(host) as client:
        with pytest.raises(ConnectionResetError):
            await client.all()


async def test_a_reset_of_the_server_is_one_at_the_client() -> None:
    async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, tcp.RESET)
        writer.transport.abort()

    async with serving(resets) as target, relayed(target) as host, connected(host) as client:
        client.writer.write(b"x")
        with pytest.raises(ConnectionResetError):
            await client.all()


async def test_the_next_target_serves_where_one_refuses() -> None:
    async with serving(echo) as target, relayed(closed_port(), target) as host, connected(host) as client:
        assert await client.exchange(b"hello") == b"hello"


async def test_a_silent_target_holds_up_nothing() -> None:
    with socket.socket() as silent, socket.socket() as first, socket.socket() as second:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for filler in (first, second):  # now its queue is full: further connections get no answer
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        unanswered = Target("outside", "127.0.0.1", silent.getsockname()[1])
        async with serving(echo) as target, relayed(unanswered, target) as host, connected(host) as client:
            assert await client.exchange(b"hello") == b"hello"


async def test_past_the_limit_connections_wait_for_one_that_ends() -> None:
    async with serving(echo) as target, relayed(target, most=1) as host:
        async with connected(host) as first:
            assert await first.exchange(b"1") == b"1"
            second = await asyncio.open_connection(*host.address)  # in the kernel's queue
            assert len(host.connections) == 1
        assert await Client(*second).exchange(b"2") == b"2"
        second[1].close()


async def test_a_port_that_is_closed_leaves_its_connections_alone() -> None:
    async with serving(echo) as target, relayed(target) as host, connected(host) as client:
        assert await client.exchange(b"1") == b"1"
        host.listener.close()
        assert await client.exchange(b"2") == b"2"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*host.address)
        client.writer.close()
