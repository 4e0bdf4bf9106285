"""Listeners under load: what cannot wait is answered with a refusal, and one source leaves room for the others."""

import asyncio
import contextlib
import gc
import socket
import warnings
from collections.abc import Awaitable, Sequence

import pytest

from podwire.dns import listen
from podwire.dns.listen import NO_CLIENT, Peer, listening
from tests.sandbox import sandboxed

HERE, OTHER = "127.0.0.1", "127.0.0.2"


class Upstream:
    """A responder whose answers wait for an upstream server that is silent until it is released."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def _later(self, raw: bytes) -> bytes:
        await self.released.wait()
        return raw

    def ready(self, raws: Sequence[bytes], now: float) -> list[bytes | None]:  # noqa: ARG002
        return [None] * len(raws)

    def answer(self, raw: bytes, *, stream: bool, client: Peer = NO_CLIENT) -> bytes | Awaitable[bytes]:  # noqa: ARG002
        return raw if stream else self._later(raw)

    def failed(self, raw: bytes) -> bytes:
        return b"busy " + raw


class Broken(Upstream):
    """A responder that fails: at once for `now`, later for all else."""

    async def _later(self, raw: bytes) -> bytes:
        raise RuntimeError(raw)

    def answer(self, raw: bytes, *, stream: bool, client: Peer = NO_CLIENT) -> bytes | Awaitable[bytes]:  # noqa: ARG002
        if raw == b"now":
            raise RuntimeError(raw)
        return self._later(raw)


def client(address: str = HERE) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    made.setblocking(False)
    made.connect((HERE, 53))
    return made


@sandboxed
async def test_a_query_that_cannot_wait_is_refused_and_one_source_leaves_room_for_others() -> None:
    warnings.simplefilter("error")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listen, "MOST_PENDING", 3)
        upstream, loop = Upstream(), asyncio.get_running_loop()
        async with asyncio.timeout(60), listening(upstream, (HERE,), 53):
            first, other = client(), client(OTHER)
            for name in (b"one", b"two", b"three"):
                first.send(name)
            assert await loop.sock_recv(first, 99) == b"busy three", "two of three places for one source"
            other.send(b"four")
            other.send(b"five")
            assert await loop.sock_recv(other, 99) == b"busy five"
            upstream.released.set()
            assert {await loop.sock_recv(first, 99), await loop.sock_recv(first, 99)} == {b"one", b"two"}
            assert await loop.sock_recv(other, 99) == b"four"
        gc.collect()


@sandboxed
async def test_one_source_cannot_take_all_connections() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listen, "MOST_CONNECTIONS", 4)
        async with asyncio.timeout(60), listening(Upstream(), (HERE,), 53):
            held = [await asyncio.open_connection(HERE, 53) for _ in range(2)]
            assert [await exchange(*connection) for connection in held] == [b"hello"] * 2
            assert await exchange(*await asyncio.open_connection(HERE, 53)) == b""
            assert await exchange(*await asyncio.open_connection(HERE, 53, local_addr=(OTHER, 0))) == b"hello"
            held[0][1].close()
            while await exchange(*await asyncio.open_connection(HERE, 53)) != b"hello":
                pass


@sandboxed
async def test_where_the_responder_fails_the_client_is_answered_at_once() -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(60), listening(Broken(), (HERE,), 53):
        one = client()
        for name in (b"now", b"later"):
            one.send(name)
            assert await loop.sock_recv(one, 99) == b"busy " + name
        assert await exchange(*await asyncio.open_connection(HERE, 53)) == b"busy hello"


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """One query and its answer; empty where the server ends the connection."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        writer.write(b"\0\5hello")
        size = await reader.readexactly(2)
        return await reader.readexactly(int.from_bytes(size, "big"))
    return b""
