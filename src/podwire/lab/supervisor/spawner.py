"""How a role has the zygote fork something. Apart from the zygote itself: pid 1 carries that, and needs no asyncio."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from podwire.lab.base.spawn import SpawnRequest

ANSWER_SECONDS = 10.0


class ZygoteSpawner:
    """Asks the zygote of this world to fork something; waits through a restart of the zygote."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def spawn(self, request: SpawnRequest) -> int:
        """Fork a role and answer its process id in the world's pid namespace."""
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                pid = await self._ask(request)
                if pid is not None:
                    return pid
                await asyncio.sleep(0.02)

    async def _ask(self, request: SpawnRequest) -> int | None:
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
