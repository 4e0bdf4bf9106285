"""The server of `podwire rows`: the rows that the kernel should hold, one a line, over a unix socket.

A request is one line, the name of a capability; the response is its rows, and the connection ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

Rows = Callable[[], Iterable[object]]

READ_SECONDS = 5.0
ANSWER_SECONDS = 30.0
"""An agent that derives many rows sends nothing meanwhile."""


@contextlib.asynccontextmanager
async def serving_rows(
    path: Path,
    capabilities: Mapping[str, Rows],
    before: Mapping[str, Callable[[], Awaitable[None]]] = MappingProxyType({}),
) -> AsyncIterator[None]:
    """Serve on this socket, readable by the owner only, inside the block; `before` is awaited first.

    Raises OSError.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(TimeoutError, ValueError, ConnectionError):
            line = await asyncio.wait_for(reader.readline(), READ_SECONDS)
            name = line.decode("utf-8", "replace").strip()
            if name in before:
                await before[name]()
            writer.write(text(name, capabilities).encode())
            await writer.drain()
        writer.close()

    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(answer, path)
    os.chmod(path, 0o600)
    async with server:
        yield


def read(path: Path, capability: str) -> str:
    """Return the rows that the agent with this socket wants, as text. Raises OSError where none is listening."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.settimeout(ANSWER_SECONDS)
        agent.connect(str(path))
        agent.sendall(capability.encode() + b"\n")
        return b"".join(iter(lambda: agent.recv(65536), b"")).decode()


def text(name: str, capabilities: Mapping[str, Rows]) -> str:
    """All rows of a capability, sorted; for an unknown name, the names that exist."""
    rows = capabilities.get(name)
    if rows is None:
        return f"no capability {name!r}; there are: {', '.join(capabilities)}\n"
    return "".join(f"{line}\n" for line in sorted(map(str, rows())))
