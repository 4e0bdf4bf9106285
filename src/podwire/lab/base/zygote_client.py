"""Fork roles through the zygote, from any process of the world that runs asyncio."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from podwire.lab.base.spawn import SpawnRequest

ANSWER_SECONDS = 10.0
RETRY_SECONDS = 0.02


class ZygoteSpawner:
    """A client of the zygote's socket; it waits through a restart of the zygote."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def spawn(self, request: SpawnRequest) -> int:
        """Fork a role and return its process id in the world's pid namespace. Raises TimeoutError."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                pid = await self._request(request)
                if pid is not None:
                    return pid
                await asyncio.sleep(RETRY_SECONDS)

    async def _request(self, request: SpawnRequest) -> int | None:
        """Return the process id; None if the zygote ended before it answered, or could not fork."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path))
        except OSError:
            return None
        try:
            writer.write(request.encode())
            line = await reader.readline()
        except OSError:
            return None
        finally:
            writer.close()
        return int(json.loads(line)["pid"]) if line else None
