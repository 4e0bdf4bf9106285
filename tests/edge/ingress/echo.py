"""A backend on a unix socket that responds with what it received, or with what a test wants; and its client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

Headers = tuple[tuple[str, str], ...]


class Received(msgspec.Struct, frozen=True):
    """A request, the names of its headers in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: str = ""


class Response(msgspec.Struct, frozen=True):
    """A response; `headers` may have a name several times, in lower case."""

    status: int
    headers: Headers = ()
    body: str = ""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def received(self) -> Received:
        """What the backend received that responded."""
        return msgspec.json.decode(self.body, type=Received)


def echo(received: Received) -> Response:
    """Respond with the request, and with the status and the header that it names."""
    wanted = received.headers.get("x-want-header", "")
    name, _, value = wanted.partition(": ")
    headers = ((name, value),) if name else ()
    return Response(int(received.headers.get("x-want-status", 200)), headers, msgspec.json.encode(received).decode())


class EchoBackend:
    """One server. `seen` are all requests that it received."""

    def __init__(self, socket: Path, respond: Callable[[Received], Response] = echo) -> None:
        self.socket = socket
        self.respond = respond
        self.seen: list[Received] = []
        self.gate = asyncio.Event()
        """Requests to /wait are answered once it is set."""
        self.port = 0
        """On loopback; 0: it listens on the unix socket."""
        self._server: asyncio.Server | None = None

    async def start(self, *, on_loopback: bool = False, tls: ssl.SSLContext | None = None) -> None:
        if on_loopback:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
            self.port = self._server.sockets[0].getsockname()[1]
        else:
            self._server = await asyncio.start_unix_server(self._serve, str(self.socket), limit=1 << 20, ssl=tls)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")
                headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines if one)}
                body = await read_body(reader, headers)
                received = Received(first.split()[0], first.split()[1], headers, body.decode("latin-1"))
                self.seen.append(received)
                if received.path.startswith("/wait"):
                    await self.gate.wait()
                if received.path.startswith("/cut"):
                    break
                found = self.respond(received)
                lines = [f"HTTP/1.1 {found.status} X", *(f"{name}: {value}" for name, value in found.headers)]
                text = "" if received.method == "HEAD" else found.body
                lines += [f"Content-Length: {len(found.body)}", "", text]
                writer.write("\r\n".join(lines).encode())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    """Read a body by its length, or its chunks."""
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:size]
        await reader.readline()
        return body
    return await reader.readexactly(int(headers.get("content-length", 0)))


async def fetch(
    socket: Path,
    host: str,
    path: str = "/",
    method: str = "GET",
    body: str = "",
    tls: ssl.SSLContext | None = None,
    server_name: str = "",
    **headers: str,
) -> Response:
    """Send one request on a connection of its own; the names of headers have underscores for hyphens."""
    secure: dict[str, Any] = {"ssl": tls, "server_hostname": server_name or host} if tls else {}
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=1 << 20, **secure)
    try:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        writer.write("\r\n".join([*lines, "", body]).encode())
        async with asyncio.timeout(60):
            return await read_response(reader, method)
    finally:
        writer.close()


async def read_response(reader: asyncio.StreamReader, method: str = "GET") -> Response:
    """Read one response."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    found = tuple((name.lower(), value) for name, _, value in (one.partition(": ") for one in lines if one))
    status = int(first.split()[1])
    empty = method == "HEAD" or status in (204, 304)
    body = b"" if empty else await read_body(reader, dict(found))
    return Response(status, found, body.decode("latin-1"))
