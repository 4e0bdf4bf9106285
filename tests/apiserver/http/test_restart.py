"""Clients of a server that is killed and started again."""

import asyncio
import json
import sys

import aiohttp
import pytest

from podwire.kube.client import Client
from podwire.kube.kinds import CONFIG_MAPS
from tests.apiserver.conftest import Files, free_listener
from tests.apiserver.http.sessions import config_map, connect

SERVER = """
import asyncio, sys
from tests.apiserver.conftest import Files, configuration
from pathlib import Path
from podwire.apiserver.main import serve

folder, port = Path(sys.argv[1]), int(sys.argv[2])
asyncio.run(serve(configuration(Files(folder), str(folder / "store.db"), listen=(("127.0.0.1", port),))))
"""


async def start(files: Files, port: int) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, str(files.folder), str(port))
    context = files.credentials("").ssl_context()
    async with asyncio.timeout(60):
        while True:
            try:
                if await connect(f"https://127.0.0.1:{port}", context) == 200:
                    return process
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.02)


async def kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await asyncio.wait_for(process.wait(), 60)


@pytest.mark.proves("watch-resumes")
async def test_a_watch_resumes_where_it_was_after_kill_9(files: Files) -> None:
    with free_listener() as listener:
        port = listener.getsockname()[1]
    credentials = files.credentials(f"https://127.0.0.1:{port}")
    server = await start(files, port)
    try:
        async with Client(credentials) as client:
            version = (await client.list(CONFIG_MAPS, "default")).metadata.resource_version
            for count in range(20):
                await client.create(CONFIG_MAPS, config_map(f"m-{count}"), "default")
            await kill(server)
            server = await start(files, port)
            seen = await first_names(client, version, 20)
            assert seen == [f"m-{count}" for count in range(20)]
            later = await client.create(CONFIG_MAPS, config_map("later"), "default")
            assert int(later.metadata.resource_version) > int(version) + 20
    finally:
        await kill(server)


async def first_names(client: Client, version: str, count: int) -> list[str]:
    seen: list[str] = []
    async with asyncio.timeout(60):
        async for line in client.watch(CONFIG_MAPS, "default", resourceVersion=version):
            if not line:
                continue
            seen.append(json.loads(line)["object"]["metadata"]["name"])
            if len(seen) == count:
                break
    return seen
