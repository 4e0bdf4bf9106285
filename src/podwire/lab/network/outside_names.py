"""Sends the names of load balancers to the DNS server outside of the cluster, over a unix socket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec

RETRY_SECONDS = 1.0


class Publisher:
    """Sends the newest names to the server; to one that started again too. `run` must run once."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._names: Mapping[str, tuple[str, ...]] | None = None
        self._changed = asyncio.Event()

    def publish(self, names: Mapping[str, tuple[str, ...]]) -> None:
        """Send these from now on."""
        self._names = names
        self._changed.set()

    async def run(self) -> None:
        """Send until cancelled; where the server is away, connect again."""
        await self._changed.wait()
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                await self._send(reader, writer)
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                writer.close()

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Return when the server has ended. Raises OSError."""
        ended = asyncio.ensure_future(reader.read(1))
        try:
            while not ended.done():
                self._changed.clear()
                writer.write(msgspec.json.encode(self._names) + b"\n")
                await writer.drain()
                changed = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait((ended, changed), return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
        finally:
            ended.cancel()
