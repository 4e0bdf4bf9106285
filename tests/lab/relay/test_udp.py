from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest

from podwire.lab.relay import udp
from podwire.lab.relay.targets import Target
from podwire.lab.relay.udp import Flows, UdpRelay
from tests.lab.relay.loopback import DEADLINE, Loopback, bound, closed_port, until


class Echo(asyncio.DatagramProtocol):
    """Answers with the datagram and its sender's port."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(data + b" %d" % address[1], address)


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[Target]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    yield Target("outside", "127.0.0.1", transport.get_extra_info("sockname")[1])
    transport.close()


class Host:
    """A port of the host that leads to some targets."""

    def __init__(self, *targets: Target, most: int = 100) -> None:
        self.world = Loopback()
        self.targets = targets
        host = bound("UDP")
        self.address = host.getsockname()
        self.resolved = 0
        self.flows = Flows(most)
        self.relay = UdpRelay(host, self._resolve, self.world, self.flows)

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.relay.close()

    async def _resolve(self) -> tuple[Target, ...]:
        self.resolved += 1
        return self.targets

    def client(self) -> socket.socket:
        found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        found.setblocking(False)
        found.connect(self.address)
        return found


async def requested(client: socket.socket, data: bytes) -> bytes:
    client.send(data)
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 65535), DEADLINE)


async def test_each_client_has_one_flow_and_gets_its_own_answers() -> None:
    async with echo() as target:
        with Host(target) as host, host.client() as one, host.client() as two:
            first, second = await requested(one, b"one"), await requested(two, b"two")
            assert (first[:3], second[:3]) == (b"one", b"two")
            assert await requested(one, b"one") == first, "from the same port again"
            assert host.world.made == 2


async def test_large_datagrams_stay_whole() -> None:
    async with echo() as target:
        with Host(target) as host, host.client() as client:
            assert (await requested(client, b"x" * 60_000)).startswith(b"x" * 60_000)


async def test_what_is_refused_is_tried_again_with_the_next_datagram() -> None:
    with Host(closed_port()) as host, host.client() as client:
        client.send(b"lost")
        await until(lambda: host.world.made == 1 and not host.relay._flows)
        async with echo() as target:
            host.targets = (target,)
            assert (await requested(client, b"found")).startswith(b"found")


async def test_datagrams_without_a_target_are_lost_alone() -> None:
    with Host() as host, host.client() as client:
        client.send(b"lost")
        await until(lambda: host.resolved == 1 and not host.relay._flows)
        async with echo() as target:
            host.targets = (target,)
            assert (await requested(client, b"found")).startswith(b"found")


async def test_the_flow_that_was_idle_for_longest_makes_room() -> None:
    async with echo() as target:
        with Host(target, most=2) as host, host.client() as one, host.client() as two, host.client() as three:
            for client in (one, two, one, three):
                await requested(client, b"x")
            assert set(host.relay._flows) == {one.getsockname(), three.getsockname()}
            assert len(host.flows) == 2
        assert len(host.flows) == 0


async def test_idle_flows_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "IDLE_SECONDS", 0.02)
    async with echo() as target:
        with Host(target) as host, host.client() as client:
            await requested(client, b"x")
            await until(lambda: not host.relay._flows)
