"""The two HTTP doors that a kubelet knocks at: `/health` (the process lives) and `/ready` (its answers are whole)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

from podwire.kernel.datagram import listen_stream

READ_SECONDS = 5.0
LARGEST_HEAD = 8192


@contextlib.asynccontextmanager
async def probe_door(path: str, holds: Callable[[], bool], addresses: Sequence[str], port: int) -> AsyncIterator[None]:
    """Answer GET of one path with 200 while `holds()`, else with 503; any other path with 404."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            async with asyncio.timeout(READ_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(head, path, good=holds()))
        writer.close()

    async with contextlib.AsyncExitStack() as stack:
        for address in addresses:
            listener = listen_stream(address, port)
            server = await asyncio.start_server(converse, sock=listener, limit=LARGEST_HEAD)
            stack.callback(server.close)
        yield


def answer(head: bytes, path: str, *, good: bool) -> bytes:
    """The whole HTTP/1.1 answer to a request with this head."""
    target = [*head.split(b" ", 2), b"", b""][1].partition(b"?")[0]
    if target != path.encode():
        status, body = "404 Not Found", "not found\n"
    elif good:
        status, body = "200 OK", "OK\n"
    else:
        status, body = "503 Service Unavailable", "not yet\n"
    head_lines = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return (head_lines + body).encode()
