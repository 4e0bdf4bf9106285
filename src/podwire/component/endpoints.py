"""A small HTTP/1.1 server for probes and metrics: GET of fixed paths, one request a connection.

No framework: these endpoints must respond while everything else is busy, and take no memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from http import HTTPStatus

import msgspec

from podwire.kernel.datagram import listen_stream

NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}
"""Errors of a kernel without IPv6: to listen on all of its IPv6 addresses is to listen on none."""
READ_SECONDS = 5.0
LARGEST_HEAD = 8192
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


class Page(msgspec.Struct, frozen=True):
    """The status, body and further headers of a response."""

    body: str
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


Pages = Mapping[str, Callable[[], Page]] | Callable[[], Page]
"""For each path what makes its page; or what makes the page of every path."""


class BindAddressError(ValueError):
    """A text that is no `address:port`."""


def bind_address(text: str) -> tuple[str, int]:
    """An address and port from `10.0.0.1:80` or `[fd00::1]:80`. Raises BindAddressError."""
    host, separator, port = text.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not separator or not host or not port.isascii() or not port.isdecimal() or not 0 <= int(port) < 1 << 16:
        raise BindAddressError(f"{text!r} is no ADDRESS:PORT, such as 127.0.0.1:10249 or [::]:10256")
    return host, int(port)


def verdict(good: bool, obstacles: Iterable[str] = ()) -> Page:
    """The page of a probe; where it is negative with a line for each obstacle."""
    if good:
        return Page("ok\n")
    return Page("".join(f"{line}\n" for line in ("not ready", *obstacles)), HTTPStatus.SERVICE_UNAVAILABLE)


@contextlib.asynccontextmanager
async def serving(pages: Pages, addresses: Iterable[tuple[str, int]]) -> AsyncIterator[None]:
    """Serve on these addresses inside the block. Raises OSError if one is taken."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            async with asyncio.timeout(READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(response(head, pages))
                await writer.drain()
        writer.close()

    async with contextlib.AsyncExitStack() as stack:
        for host, port in addresses:
            try:
                listener = listen_stream(host, port)
            except OSError as error:
                if host == "::" and error.errno in NO_IPV6:
                    continue
                raise OSError(error.errno, f"{host} port {port}: {error.strerror}") from error
            server = await asyncio.start_server(converse, sock=listener, limit=LARGEST_HEAD)
            stack.callback(server.close)
        yield


def response(head: bytes, pages: Pages) -> bytes:
    """The whole response to a request with this head."""
    method, target, *_ = [*head.split(b" ", 2), b"", b""]
    page_of = pages if callable(pages) else pages.get(target.partition(b"?")[0].decode("latin-1"))
    if page_of is None:
        page = Page("not found\n", HTTPStatus.NOT_FOUND)
    elif method not in {b"GET", b"HEAD"}:
        page = Page("method not allowed\n", HTTPStatus.METHOD_NOT_ALLOWED)
    else:
        page = page_of()
    body = page.body.encode()
    lines = (
        f"HTTP/1.1 {page.status.value} {page.status.phrase}",
        f"Content-Type: {page.content_type}",
        f"Content-Length: {len(body)}",
        "X-Content-Type-Options: nosniff",
        *(f"{name}: {value}" for name, value in page.headers),
        "Cache-Control: no-store",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(lines).encode() + (b"" if method == b"HEAD" else body)
