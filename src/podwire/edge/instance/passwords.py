"""The service beside an Envoy that verifies passwords, on a unix socket: Envoy itself knows one form of hashes only.

A request's body is the hash, a line end, and the password; 204: it matches, 403: it does not, 503: too many wait.
The script in Envoy keeps what matched, so that a client costs one verification in ten minutes and worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from podwire.edge.instance import hashes
from podwire.edge.instance.configuration import SOCKET

log = logging.getLogger(__name__)

THREADS, MOST_WAITING = 2, 64
LONGEST_BODY = 16_384
SECONDS = 10.0
"""For a request on a connection; then the connection is closed."""
MATCHES, DIFFERS, BAD, BUSY = 204, 403, 400, 503


class PasswordService:
    """Verifies passwords in threads; of more than `MOST_WAITING` at the same time further ones are refused."""

    def __init__(self) -> None:
        self._threads = asyncio.Semaphore(THREADS)
        self._waiting = 0

    async def status(self, body: bytes) -> int:
        """Return the status of the response to a body."""
        hashed, separator, password = body.partition(b"\n")
        if not separator:
            return BAD
        if self._waiting >= MOST_WAITING:
            return BUSY
        self._waiting += 1
        try:
            async with self._threads:
                found = await _in_thread(password, hashed.decode())
        except (hashes.UnknownHashError, UnicodeDecodeError) as error:
            log.warning("a password is refused: %s", error)
            return DIFFERS
        finally:
            self._waiting -= 1
        return MATCHES if found else DIFFERS

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve the requests of one connection (HTTP/1.1), until it ends or is idle."""
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, TimeoutError):
            while (body := await _body(reader)) is not None:
                code = await self.status(body)
                length = "" if code == MATCHES else "content-length: 0\r\n"
                writer.write(f"HTTP/1.1 {code} -\r\n{length}\r\n".encode())
                await writer.drain()
        writer.close()


async def _in_thread(password: bytes, hashed: str) -> bool:
    """Return whether a password matches a hash. Raises UnknownHashError.

    A pool of threads would be loaded with its first one, which a container's root has no file for.
    """
    loop = asyncio.get_running_loop()
    found = loop.create_future()

    def verify() -> None:
        try:
            outcome = partial(found.set_result, hashes.matches(password, hashed))
        except Exception as error:
            outcome = partial(found.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: None if found.done() else outcome())

    threading.Thread(target=verify, daemon=True).start()
    verified: bool = await found
    return verified


@contextlib.asynccontextmanager
async def serving(folder: str) -> AsyncIterator[None]:
    """Serve in this folder. Raises OSError where the socket cannot be made."""
    path = Path(folder, SOCKET)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(PasswordService().connection, str(path), limit=LONGEST_BODY)
    path.chmod(0o600)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def _body(reader: asyncio.StreamReader) -> bytes | None:
    """Return the body of the next request; None: it is none of Envoy's."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    fields = dict(one.split(":", 1) for one in head.split("\r\n")[1:] if ":" in one)
    length = fields.get("content-length", "").strip()
    if not length.isdecimal() or int(length) > LONGEST_BODY:
        return None
    async with asyncio.timeout(SECONDS):
        return await reader.readexactly(int(length))
