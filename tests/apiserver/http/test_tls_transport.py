"""The server's own TLS connections against asyncio's and OpenSSL's clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from podwire.apiserver.base.authentication import tls_context
from podwire.apiserver.http.tls_listener import TlsListener
from podwire.apiserver.http.tls_transport import HIGH_WATER, TlsTransport
from tests.apiserver.conftest import free_listener, until, write_files

LARGE = bytes(range(256)) * 8192


class Echo(asyncio.Protocol):
    """Sends back what comes, and remembers what happened to its connection."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TlsTransport)
        self.transport = transport
        self.happened.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if data == b"break":
            raise ValueError("broken")
        self.transport.write(data)

    def eof_received(self) -> None:
        self.happened.append("eof")

    def pause_writing(self) -> None:
        self.happened.append("paused")

    def resume_writing(self) -> None:
        self.happened.append("resumed")

    def connection_lost(self, exc: Exception | None) -> None:
        self.happened.append("lost" if exc is None else f"lost: {type(exc).__name__}")


class Place:
    """A listener whose connections all echo."""

    def __init__(self, folder: Path) -> None:
        self.files = write_files(folder)
        self.echoes: list[Echo] = []
        listener = free_listener()
        self.port: int = listener.getsockname()[1]
        server = tls_context(*(str(folder / name) for name in ("ca.crt", "server.crt", "server.key")))
        self.listener = TlsListener(listener, server, self._echo)

    def _echo(self) -> Echo:
        self.echoes.append(Echo())
        return self.echoes[-1]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = self.files.credentials(f"https://127.0.0.1:{self.port}").ssl_context()
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=context)


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path)
    made.listener.start()
    yield made
    made.listener.close()


async def test_large_and_small_go_both_ways(place: Place) -> None:
    reader, writer = await place.connect()
    for sent in (b"x", b"", LARGE, b"y" * 16384, b"z" * 16385):
        writer.write(sent)
        async with asyncio.timeout(60):
            assert await reader.readexactly(len(sent)) == sent
    writer.close()
    await until(lambda: place.echoes[0].happened[-1] == "lost")


async def test_extra_info_of_the_connection_has_asyncio_s_names(place: Place) -> None:
    _, writer = await place.connect()
    await until(lambda: place.echoes)
    transport = place.echoes[0].transport
    subject = dict(pair for part in transport.get_extra_info("peercert")["subject"] for pair in part)
    assert subject["commonName"] == "kubernetes-admin"
    assert transport.get_extra_info("peername") == writer.get_extra_info("sockname")
    assert transport.get_extra_info("nothing", 1) == 1
    writer.close()


async def test_a_client_that_does_not_read_is_waited_for(place: Place) -> None:
    reader, writer = await place.connect()
    await until(lambda: place.echoes)
    echo = place.echoes[0]
    while "paused" not in echo.happened:
        echo.transport.write(LARGE)
    assert echo.transport.get_write_buffer_size() > HIGH_WATER
    echo.transport.close()
    assert echo.happened[-1] == "paused"
    received = await asyncio.wait_for(reader.read(), 60)
    assert received == LARGE * (len(received) // len(LARGE))
    assert echo.happened[-2:] == ["resumed", "lost"]
    writer.close()


async def test_a_client_that_never_reads_the_end_is_disconnected(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.apiserver.http.tls_transport.CLOSE_SECONDS", 0.1)
    _, writer = await place.connect()
    await until(lambda: place.echoes)
    echo = place.echoes[0]
    while "paused" not in echo.happened:
        echo.transport.write(LARGE)
    echo.transport.close()
    await until(lambda: echo.happened[-1] == "lost")
    writer.transport.abort()


async def test_nothing_is_read_while_reading_is_paused(place: Place) -> None:
    reader, writer = await place.connect()
    await until(lambda: place.echoes)
    echo = place.echoes[0]
    echo.transport.pause_reading()
    writer.write(b"x")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), 0.2)
    echo.transport.resume_reading()
    assert await asyncio.wait_for(reader.readexactly(1), 60) == b"x"
    writer.close()


async def test_a_protocol_that_fails_loses_its_connection_only(place: Place) -> None:
    (bad, bad_writer), (good, good_writer) = await place.connect(), await place.connect()
    bad_writer.write(b"break")
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(bad.read(), 60) == b""
    good_writer.write(b"x")
    assert await asyncio.wait_for(good.readexactly(1), 60) == b"x"
    assert sorted(echo.happened[-1] for echo in place.echoes) == ["lost: ValueError", "made"]
    bad_writer.close()
    good_writer.close()


async def test_a_client_that_vanishes_is_noticed(place: Place) -> None:
    _, writer = await place.connect()
    await until(lambda: place.echoes)
    writer.transport.abort()
    await until(lambda: place.echoes[0].happened[-1].startswith("lost"))


async def test_a_handshake_that_does_not_arrive_times_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.apiserver.http.tls_listener.HANDSHAKE_SECONDS", 0.2)
    silent = await asyncio.open_connection("127.0.0.1", place.port)
    noise = await asyncio.open_connection("127.0.0.1", place.port)
    noise[1].write(b"GET / HTTP/1.1\r\n\r\n")
    for reader, writer in (silent, noise):
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 60)
        writer.close()
    assert not place.echoes


async def test_a_certificate_of_another_authority_gets_no_connection(place: Place, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = write_files(tmp_path / "other").credentials(f"https://127.0.0.1:{place.port}").ssl_context()
    other.load_verify_locations(str(place.files.folder / "ca.crt"))

    async def connect() -> None:
        reader, _ = await asyncio.open_connection("127.0.0.1", place.port, ssl=other)
        await asyncio.wait_for(reader.readexactly(1), 60)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await connect()
    assert not place.echoes


async def test_a_closed_listener_accepts_nothing_and_keeps_connections(place: Place) -> None:
    reader, writer = await place.connect()
    await until(lambda: place.echoes)
    place.listener.close()
    with pytest.raises(OSError, match="refused"), socket.create_connection(("127.0.0.1", place.port)):
        pass
    writer.write(b"x")
    assert await asyncio.wait_for(reader.readexactly(1), 60) == b"x"
    writer.close()
