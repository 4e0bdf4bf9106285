"""Ingresses that change: from objects to traffic, and what happens to open connections, beside a reload of nginx.

The controller's derivation, its xDS server, Envoy and the clients are measured; the API server is not: it is by
`ingress_api`.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from tests.edge.ingress.objects import ingress, path
from tests.edge.nginx.envoy_side import Edge, Side, put_service, served
from tests.edge.nginx.process import Nginx, free_ports
from tests.edge.xds.real_envoy import response, until

from bench.figure import Figure
from podwire.edge.gateway.objects import Objects
from podwire.edge.ingress.ingresses import Ingresses

HERE = "127.0.0.1"
INGRESSES, HOSTS = 1_000, 500
STREAMS, IDLE = 10, 50
"""Connections of clients that are open while a configuration changes: of long responses, and between two requests."""
SHUTDOWN_SECONDS = 1
"""worker_shutdown_timeout of nginx; that of ingress-nginx is 240 s, after which the same happens."""
WATCHED_SECONDS = 4.0


def figures(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures of many Ingresses at once, of one change, and of connections that a change ends."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder:
        found = asyncio.run(_measure(Path(folder), 30 if quick else 200))
    first, taken, ended, by_nginx = found
    name = f"{INGRESSES:,} Ingresses over {HOSTS} hosts"
    yield Figure(f"{name}: from the objects to traffic", first, "s", 2.0)
    yield Figure(f"{name}: one change to traffic, median", statistics.median(taken), "ms")
    yield Figure(f"{name}: one change to traffic, p99", sorted(taken)[len(taken) * 99 // 100], "ms", 50.0)
    changes = f"of {STREAMS} streams and {IDLE} idle connections, ended by {len(taken)} changes"
    yield Figure(f"{name}: {changes}", ended, "", 0.0, f"one reload of nginx ended {by_nginx}")


async def _measure(folder: Path, changes: int) -> tuple[float, list[float], int, int]:
    ports = free_ports(5)
    objects, ingresses = Objects(), Ingresses((), without_class=True)
    async with _backend(ports[4]):
        put_service(objects, "web", ports[4])
        ingresses.put(ingress("first", path("/"), host="first.example.com"))
        async with served(folder, Edge(*ports[:2]), ingresses, objects) as side:
            first = await _at_once(side, ingresses)
            async with still_open(HERE, ports[0], "first.example.com") as count:
                taken = await _changes(side, ingresses, changes)
                ended = STREAMS + IDLE - await count()
        return first, taken, ended, await _reload(folder / "nginx", ports[2], ports[4])


async def _at_once(side: Side, ingresses: Ingresses) -> float:
    started = time.perf_counter()
    hosts: set[str] = set()
    for number in range(INGRESSES):
        name = f"h{number % HOSTS}.example.com"
        hosts |= ingresses.put(ingress(f"i{number}", path(f"/{number // HOSTS}"), host=name))
    side.apply(side.translation.difference(hosts, (), certificates=False))
    await until(lambda: not side.proxy.lacking([one.key for one in side.proxy.snapshot]), "Envoy has all")
    client = EdgeClient(HERE, side.edge.http)
    await client.until_served(f"h{HOSTS - 1}.example.com", "/1")
    return time.perf_counter() - started


async def _changes(side: Side, ingresses: Ingresses, count: int) -> list[float]:
    """Return the milliseconds from each changed Ingress to its first answer, on a connection that is kept."""
    client, taken = EdgeClient(HERE, side.edge.http), []
    for number in range(count):
        host = f"h{number % HOSTS}.example.com"
        started = time.perf_counter()
        hosts = ingresses.put(ingress(f"i{number % HOSTS}", path(f"/new{number}"), host=host))
        side.apply(side.translation.difference(hosts, (), certificates=False))
        await client.until_served(host, f"/new{number}")
        taken.append((time.perf_counter() - started) * 1000)
    return taken


async def _reload(folder: Path, port: int, backend: int) -> int:
    """Return how many of the same open connections one reload of nginx ends."""
    text = f"""access_log off; server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
            proxy_pass http://127.0.0.1:{backend};
        }}
    }}"""
    nginx = Nginx(folder, text, 1, f"worker_shutdown_timeout {SHUTDOWN_SECONDS}s;")
    nginx.start(port)
    try:
        async with still_open(HERE, port, "first.example.com") as count:
            nginx.reload()
            await asyncio.sleep(WATCHED_SECONDS)
            return STREAMS + IDLE - await count()
    finally:
        nginx.kill()


@contextlib.asynccontextmanager
async def _backend(port: int) -> AsyncIterator[None]:
    """A server that answers; to /stream with a response that has no end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b" /stream " not in head:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    continue
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    writer.write(b"1\r\n.\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.2)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()


@contextlib.asynccontextmanager
async def still_open(address: str, port: int, host: str) -> AsyncIterator[Callable[[], asyncio.Future[int]]]:
    """Open streams and idle connections; yield a function that returns how many of them are open still."""
    connections = [await asyncio.open_connection(address, port) for _ in range(STREAMS + IDLE)]
    for number, (reader, writer) in enumerate(connections):
        target = "/stream" if number < STREAMS else "/"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        if number >= STREAMS:
            await response(reader)

    async def count() -> int:
        return sum([await _is_open(reader) for reader, _ in connections])

    try:
        yield lambda: asyncio.ensure_future(count())
    finally:
        for _, writer in connections:
            writer.close()


async def _is_open(reader: asyncio.StreamReader) -> bool:
    """Whether the other side has not ended the connection: what has come is read, up to its end if there is one."""
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(0.05):
            while await reader.read(1 << 16):
                pass
        return False
    return not reader.at_eof() and reader.exception() is None


class EdgeClient:
    """One kept connection; that it ends is an error."""

    def __init__(self, address: str, port: int) -> None:
        self._end = address, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def until_served(self, host: str, target: str) -> None:
        """Send requests until one is answered with 200."""
        while await self._status(host, target) != 200:  # noqa: ASYNC110  # nothing but a request shows it
            await asyncio.sleep(0.001)

    async def _status(self, host: str, target: str) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._end)
        reader, writer = self._streams
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return (await response(reader))[0]
