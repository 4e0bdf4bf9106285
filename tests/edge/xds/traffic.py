"""Requests without a pause on kept connections, as clients send them while the configuration changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.edge.xds.real_envoy import until

CLIENTS = 2


class Traffic:
    """Clients of one listener and domain; `failures` are responses other than 200, and broken connections."""

    def __init__(self, socket: Path, domain: str, **tls: Any) -> None:
        self.bodies: Counter[bytes] = Counter()
        self.failures: Counter[str] = Counter()
        self._socket = socket
        self._request = f"GET / HTTP/1.1\r\nHost: {domain}\r\n\r\n".encode()
        self._tls = tls
        self._is_over = False
        self._clients: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Traffic:
        self._clients = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]
        await self.more()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._is_over = True
        await asyncio.wait_for(asyncio.gather(*self._clients), 60)
        assert kind is not None or not self.failures, self.failures

    async def more(self, count: int = 20) -> None:
        """Wait for that many answers that come from now on."""
        wanted = self.bodies.total() + self.failures.total() + count
        await until(lambda: self.bodies.total() + self.failures.total() >= wanted, f"{count} answers")

    async def _client(self) -> None:
        while not self._is_over:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._socket), **self._tls)
            except OSError as error:
                self.failures[f"connect: {error}"] += 1
                await asyncio.sleep(0.01)
                continue
            try:
                while not self._is_over and await self._exchange(reader, writer):
                    pass
            except (OSError, asyncio.IncompleteReadError) as error:
                self.failures[f"connection: {error}"] += 1
            finally:
                writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send one request; returns whether the connection may be used again."""
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = next((int(one[15:]) for one in head.split(b"\r\n") if one.startswith(b"content-length:")), 0)
        body = await reader.readexactly(length)
        status = int(head.split()[1])
        if status == 200:
            self.bodies[body] += 1
        else:
            self.failures[f"{status} {body.decode()}"] += 1
        return b"\r\nconnection: close" not in head
