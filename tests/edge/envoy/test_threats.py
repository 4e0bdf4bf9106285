"""Faults and attacks that other proxies met, by their published names, against the listeners as they are made."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import urllib.parse
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from podwire.edge.model.backends import Cluster, Endpoint, Endpoints, ServicePort, Transport, WeightedBackend
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener, ProxyOptions
from podwire.edge.model.matches import Match, PathMatch, PathType
from podwire.edge.model.routes import Answer, Forward, Route, RouteName, VirtualHost
from tests.edge.envoy import http2
from tests.edge.envoy.http2 import Http2Connection
from tests.edge.envoy.unix_sockets import envoy_with

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEB = Cluster(ServicePort("shop", "web", 80), Transport.HTTP1)
NAME = RouteName("HTTPRoute", "shop", "web")
SECONDS = 60
MOST_BYTES = 50_000_000
"""Of a flood, until its connection must have been closed."""
NO_RESPONSE_SECONDS = 0.5
"""For a request that may have no response, because the proxy waits for the rest of its body."""


class Backend:
    """Reads requests as the proxy frames them, and keeps the head of each; responds 200."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.heads.append(head := await reader.readuntil(b"\r\n\r\n"))
                fields = dict(one.split(b": ", 1) for one in head.lower().split(b"\r\n") if b": " in one)
                if fields.get(b"transfer-encoding") == b"chunked":
                    while size := int(await reader.readline(), 16):
                        await reader.readexactly(size + 2)
                    await reader.readline()
                else:
                    await reader.readexactly(int(fields.get(b"content-length", 0)))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def paths(self) -> list[str]:
        """Return the path of each request."""
        return [one.split(b" ")[1].decode("latin-1") for one in self.heads]

    def smuggled(self) -> list[bytes]:
        """Return the heads that no proxy should send: of another request than routed, or with two lengths."""
        return [one for one in self.heads if b"/private" in one or len(framing(one)) > 1]


def framing(head: bytes) -> list[bytes]:
    """Return the lines that say how long a body is."""
    names = (b"content-length", b"transfer-encoding")
    return [one for one in head.lower().split(b"\r\n") if one.startswith(names)]


class Edge:
    """An Envoy in front of the backend; `/private` is not for strangers: Envoy itself responds 403."""

    def __init__(self, folder: Path, backend: Backend) -> None:
        self.socket = folder / "edge-80"
        self.behind_proxy = folder / "edge-81"
        self.backend = backend

    async def raw(self, data: bytes, patience: float = SECONDS) -> list[int]:
        """Send bytes; returns the statuses of all responses. Without any for `patience` seconds there is none.

        The client's end is closed after the first response only, as Envoy gives up a request whose client has left.
        """
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        text = b""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            writer.write(data)
            text = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patience)
        with contextlib.suppress(ConnectionError):
            writer.write_eof()
            text += await asyncio.wait_for(reader.read(), SECONDS)
        writer.close()
        return [int(one[9:12]) for one in text.split(b"\r\n") if one.startswith(b"HTTP/1.")]

    async def get(self, path: str, *headers: str) -> int:
        """Send one request; returns its status."""
        self.backend.heads.clear()
        lines = [f"GET {path} HTTP/1.1", "Host: a.test", "Connection: close", *headers, "", ""]
        return (await self.raw("\r\n".join(lines).encode("latin-1")))[0]

    async def head_from(self, address: str, *headers: str) -> str:
        """Send one request from an address; returns what the backend got of it, in lower case."""
        self.backend.heads.clear()
        reader, writer = await asyncio.open_unix_connection(str(self.behind_proxy))
        lines = [f"PROXY TCP4 {address} 192.0.2.99 1000 81", "GET / HTTP/1.1", "Host: a.test", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())
        assert b" 200 " in await asyncio.wait_for(reader.readline(), SECONDS)
        writer.close()
        (head,) = self.backend.heads
        return head.decode().lower()


def wanted() -> list[Any]:
    def route(path: str, action: Forward | Answer) -> Route:
        return Route(NAME, Match(PathMatch(PathType.PREFIX, path)), action)

    chain = FilterChain("http", HttpChain("t"))
    routes = (route("/private", Answer(403)), route("/", Forward((WeightedBackend(WEB.name),))))
    endpoints = Endpoints(WEB.port, (Endpoint("127.0.0.1", 1),))
    listeners = (
        Listener(GatewayPort("shop", "edge", 80), 0, (chain,)),
        Listener(GatewayPort("shop", "edge", 81), 1, (chain,), options=ProxyOptions(proxy_protocol=True)),
    )
    return [WEB, endpoints, *listeners, VirtualHost("t", "*", routes)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder, backend = tmp_path_factory.mktemp("threats"), Backend()
    server = await asyncio.start_unix_server(backend.serve, str(folder / "web"))
    try:
        async with envoy_with(folder, wanted()):
            yield Edge(folder, backend)
    finally:
        server.close()


@pytest.mark.parametrize(
    "path",
    [
        "/private",
        "/public/../private",
        "/public/%2e%2e/private",
        "/public/%2E./private",
        "//private",
        "/./private",
        "/%70rivate",
        "/public/..%2fprivate",
        "/public/..%2Fprivate",
        "/public/..%5cprivate",
        "/public\\..\\private",
        "/public/%252e%252e/private",
        "/public/..;/private",
        "/private%00",
        "/private#",
        "http://a.test/private",
        "http://other.test/private",
    ],
)
async def test_cve_2019_9901_and_cve_2021_29492_a_path_is_routed_as_the_backend_reads_it(edge: Edge, path: str) -> None:
    status = await edge.get(path)
    reached = [urllib.parse.urlsplit(one).path for one in edge.backend.paths()]
    for one in reached:
        meant = posixpath.normpath(urllib.parse.unquote(one).replace("\\", "/").replace("..;", ".."))
        assert not meant.lstrip("/").startswith("private") or "%25" in path or ";" in path, (status, one)
        assert "private" not in one.split("/")[1], (status, one)
    assert bool(reached) == (status == 200)


async def test_a_path_that_is_no_trick_reaches_the_backend(edge: Edge) -> None:
    assert await edge.get("/public/a%20b?x=%2f..%2f") == 200
    assert edge.backend.paths() == ["/public/a%20b?x=%2f..%2f"]


@pytest.mark.parametrize(
    "line",
    [
        b"x: a\x00b",  # CVE-2019-9900
        b"x\x00: a",
        b"x y: a",
        b"x : a",
        b": a",
        b"x_under: a",
        b" x: folded",
    ],
)
async def test_cve_2019_9900_a_malformed_header_is_refused(edge: Edge, line: bytes) -> None:
    edge.backend.heads.clear()
    statuses = await edge.raw(b"GET / HTTP/1.1\r\nHost: a.test\r\n" + line + b"\r\nConnection: close\r\n\r\n")
    assert (statuses, edge.backend.heads) == ([400], [])


async def test_a_header_reaches_the_backend_as_one_line(edge: Edge) -> None:
    assert await edge.get("/", "x: a\rb") == 200
    assert [one for one in edge.backend.heads[0].split(b"\r\n") if one.startswith(b"x:")] == [b"x: ab"]
    assert await edge.get("/", "x: a\r\n folded: b") == 200
    assert [one for one in edge.backend.heads[0].split(b"\r\n") if b"folded" in one] == [b"x: a folded: b"]


@pytest.mark.parametrize(
    "header",
    [
        "X-Envoy-Original-Path: /private",  # CVE-2023-27487
        "X-Envoy-Internal: true",  # CVE-2024-45806
        "X-Envoy-Retry-On: 5xx",
        "X-Envoy-Upstream-Rq-Timeout-Ms: 1",
        "X-Envoy-Decorator-Operation: forged",
        "X-Envoy-Max-Retries: 100",
        "X-Envoy-Hedge-On-Per-Try-Timeout: true",
        "X-Envoy-Ip-Tags: forged",
        "X-Envoy-Expected-Rq-Timeout-Ms: 1",
        "X-Forwarded-Client-Cert: Subject=root",
        "X-Envoy-External-Address: 192.0.2.1",
    ],
)
async def test_cve_2024_45806_and_cve_2023_27487_a_strangers_headers_of_the_proxy_are_removed(
    edge: Edge, header: str
) -> None:
    for address in ("198.51.100.7", "10.0.0.7", "127.0.0.1"):
        assert header.lower() not in await edge.head_from(address, header)


async def test_a_strangers_x_forwarded_for_does_not_stand_for_its_address(edge: Edge) -> None:
    for address in ("198.51.100.7", "10.0.0.7"):
        head = await edge.head_from(address, "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https")
        assert f"x-envoy-external-address: {address}\r\n" in head
        assert f"x-forwarded-for: 192.0.2.1,{address}\r\n" in head, "the last one is the peer"
        assert "x-forwarded-proto: http\r\n" in head


SMUGGLED = b"GET /private HTTP/1.1\r\nHost: a.test\r\nX: "
BODY = b"0\r\n\r\n" + SMUGGLED
FRAMES = [
    (b"Content-Length: %d\r\nTransfer-Encoding: chunked" % len(BODY), BODY),
    (b"Transfer-Encoding: chunked\r\nContent-Length: %d" % len(BODY), BODY),
    (b"Content-Length: 5\r\nContent-Length: %d" % len(BODY), BODY),
    (b"Content-Length: 0, %d" % len(BODY), BODY),
    (b"Content-Length: +5", BODY),
    (b"Content-Length: -1", BODY),
    (b"Content-Length: 0x5", BODY),
    (b"Content-Length: 5\x0b", BODY),
    (b"Content-Length : 5", BODY),
    (b"Content_Length: %d\r\nContent-Length: 5" % len(BODY), BODY),
    (b"Content-Length: 99999999999999999999", BODY),
    (b"Transfer-Encoding: xchunked", BODY),
    (b"Transfer-Encoding : chunked", BODY),
    (b"Transfer-Encoding:\x0bchunked", BODY),
    (b"Transfer-Encoding: chunked, identity", BODY),
    (b"Transfer-Encoding: identity, chunked", BODY),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", BODY),
    (b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", BODY),
    (b"Transfer_Encoding: chunked\r\nContent-Length: 5", BODY),
    (b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 5", BODY),
    (b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5", BODY),
    (b"Transfer-Encoding: chunked", b"5\nhello\n0\n\n" + SMUGGLED),  # Go CVE-2025-22871
    (b"Transfer-Encoding: chunked", b"5;x=\ny\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: chunked", b"0x5\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: chunked", b"5 \r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: chunked", b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: chunked", b"5\r\nhelloXX0\r\n\r\n" + SMUGGLED),
    (b"Transfer-Encoding: chunked\r\nTrailer: content-length", b"0\r\nContent-Length: 5\r\n\r\n" + SMUGGLED),
]


async def test_cve_2024_23326_no_request_is_smuggled_by_http_1(edge: Edge) -> None:
    """Whatever the proxy takes for a body, the backend must too: it never reads the request inside as one."""
    edge.backend.heads.clear()
    start, end = b"POST / HTTP/1.1\r\nHost: a.test\r\n", b"y\r\n\r\n"
    whole = [start + headers + b"\r\n\r\n" + body + end for headers, body in FRAMES]
    found = await asyncio.gather(*(edge.raw(one, NO_RESPONSE_SECONDS) for one in whole))
    # Of two requests on a connection the second is what the text of the first hides: routed by itself, to 403.
    unexpected = [one for one in found if one not in ([], [400], [200], [501], [200, 403], [200, 400])]
    assert unexpected == []
    assert found.count([400]) + found.count([501]) > len(found) / 2
    assert edge.backend.smuggled() == []


async def test_http_1_0_is_not_served(edge: Edge) -> None:
    edge.backend.heads.clear()
    assert await edge.raw(b"GET / HTTP/1.0\r\nHost: a.test\r\n\r\n") == [426]
    assert edge.backend.heads == []


DOWNGRADES: list[tuple[http2.Header, ...]] = [
    ((b"transfer-encoding", b"chunked"),),
    ((b"content-length", b"0"),),
    ((b"content-length", b"5"), (b"content-length", b"0")),
    ((b"x", b"a\r\n\r\nGET /private HTTP/1.1\r\nHost: a.test"),),
    ((b"x", b"a\nTransfer-Encoding: chunked"),),
    ((b"x: a\r\nTransfer-Encoding", b"chunked"),),
    ((b"connection", b"transfer-encoding"),),
    ((b"te", b"chunked"),),
    ((b"Upper", b"a"),),
    ((b":path", b"/private"),),
    ((b"x", b"a\x00b"),),
]
LINES: list[dict[str, bytes]] = [
    {"path": b"/ HTTP/1.1\r\nX: y"},
    {"path": b"/ HTTP/1.1\r\n\r\nGET /private"},
    {"path": b"/private\x00"},
    {"host": b"a.test\r\nX: y"},
    {"host": b"a.test/private"},
]


async def test_no_request_is_smuggled_by_a_downgrade_from_http_2(edge: Edge) -> None:
    """Headers of HTTP/2 that HTTP/1.1 would read as framing or as another request (RFC 9113, 8.2)."""
    body = b"0\r\n\r\n" + SMUGGLED + b"\r\n\r\n"
    requests = [http2.request(1, *more, body=body) for more in DOWNGRADES]
    requests += [http2.request(1, **given) for given in LINES]

    async def exchange(request: bytes) -> None:
        connection = await Http2Connection.connect(edge.socket)
        await connection.send(request)
        await connection.receive(http2.HEADERS, http2.RST_STREAM, http2.GOAWAY)
        connection.close()

    edge.backend.heads.clear()
    await asyncio.wait_for(exchange(http2.request(1, body=b"fine")), SECONDS)
    assert [framing(one) for one in edge.backend.heads] == [[b"transfer-encoding: chunked"]]
    edge.backend.heads.clear()
    await asyncio.wait_for(asyncio.gather(*map(exchange, requests)), SECONDS)
    assert edge.backend.smuggled() == []
    assert [one for one in edge.backend.heads if b"\r\nX: y" in one or b"\0" in one] == []


@pytest.mark.long
async def test_a_client_that_never_ends_its_headers_is_closed(edge: Edge) -> None:
    """Slowloris: each connection would be held for hours by a byte now and then."""
    reader, writer = await asyncio.open_unix_connection(str(edge.socket))
    writer.write(b"GET / HTTP/1.1\r\nHost: a.test\r\n")

    async def drip() -> None:
        for number in range(SECONDS):
            with contextlib.suppress(ConnectionError):
                writer.write(b"x-%d: y\r\n" % number)
            await asyncio.sleep(1)

    dripping = asyncio.create_task(drip())
    try:
        assert b" 408 " in await asyncio.wait_for(reader.readline(), SECONDS)
    finally:
        dripping.cancel()
        writer.close()


async def test_headers_are_bounded_in_number_and_size(edge: Edge) -> None:
    assert await edge.get("/", *(f"x-{number}: y" for number in range(60))) == 200
    assert await edge.get("/", *(f"x-{number}: y" for number in range(110))) == 431
    assert await edge.get("/", f"x: {'y' * 50_000}") == 200
    assert await edge.get("/", f"x: {'y' * 70_000}") == 431
    assert await edge.get("/" + "y" * 70_000) == 431


async def test_connect_and_h2c_upgrades_do_not_pass(edge: Edge) -> None:
    edge.backend.heads.clear()
    assert await edge.raw(b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n") in ([404], [400], [403])
    assert edge.backend.heads == []
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    await edge.get("/", *upgrade)
    assert all(b"upgrade: h2c" not in one.lower() for one in edge.backend.heads)


async def test_a_connection_has_a_bounded_number_of_streams(edge: Edge) -> None:
    connection = await Http2Connection.connect(edge.socket)
    await asyncio.wait_for(connection.receive(http2.SETTINGS), SECONDS)
    connection.close()
    maximum_streams, window = 3, 4
    assert (connection.settings[maximum_streams], connection.settings[window]) == (100, 65536)


async def served_meanwhile(edge: Edge, attack: Awaitable[Any]) -> None:
    """Run an attack; another client gets a response meanwhile, again and again."""
    running = asyncio.ensure_future(attack)
    while not running.done():
        reader, writer = await asyncio.open_unix_connection(str(edge.socket))
        writer.write(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        assert b" 200 " in await asyncio.wait_for(reader.readline(), SECONDS)
        writer.close()
    await running


async def test_cve_2023_44487_rapid_resets_end_the_connection(edge: Edge) -> None:
    connection = await Http2Connection.connect(edge.socket)
    sent = 0

    async def attack() -> None:
        nonlocal sent
        reading = asyncio.create_task(connection.receive())
        for first in range(1, 200_000, 200):
            streams = range(first, first + 200, 2)
            frames = b"".join(
                http2.request(one) + http2.frame(http2.RST_STREAM, 0, one, b"\0\0\0\x08") for one in streams
            )
            sent += len(streams)
            if not await connection.send(frames) or reading.done():
                break
        await reading

    await asyncio.wait_for(served_meanwhile(edge, attack()), SECONDS)
    connection.close()
    assert connection.is_closed
    assert sent < 100_000


FLOODS = {
    "CVE-2024-30255": http2.frame(http2.CONTINUATION, 0, 1, http2.block([(b"x", b"y" * 1000)]) * 10),
    "CVE-2024-30255, empty": http2.frame(http2.CONTINUATION, 0, 1) * 1000,
    "CVE-2019-9512": http2.frame(http2.PING, 0, 0, bytes(8)) * 1000,
    "CVE-2019-9515": http2.frame(http2.SETTINGS, 0, 0) * 1000,
    "CVE-2019-9518": http2.frame(http2.DATA, 0, 1) * 1000,
}


async def test_a_flood_of_frames_ends_its_connection(edge: Edge) -> None:
    """The clients do not read, so responses to PING and SETTINGS have to be kept."""
    first = (b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a.test")
    taken: dict[str, int] = {}

    async def attack(name: str) -> None:
        connection = await Http2Connection.connect(edge.socket)
        flags = 0 if "30255" in name else http2.END_HEADERS
        await connection.send(http2.frame(http2.HEADERS, flags, 1, http2.block(first)))
        taken[name] = 0
        while taken[name] < MOST_BYTES and await connection.send(FLOODS[name]):
            taken[name] += len(FLOODS[name])
        connection.close()

    await asyncio.wait_for(served_meanwhile(edge, asyncio.gather(*map(attack, FLOODS))), SECONDS)
    assert {name: count for name, count in taken.items() if count >= MOST_BYTES} == {}
