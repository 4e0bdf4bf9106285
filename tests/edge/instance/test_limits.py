"""A limit of connections in a real Envoy, with the configuration that its pod makes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec

from podwire.edge.instance.configuration import CONFIGURATION_FILE, files
from podwire.edge.xds import bootstrap
from tests.edge.instance.test_configuration import INSTANCE
from tests.edge.instance.test_process import PATIENCE_SECONDS, head, is_listening, listener
from tests.edge.xds.real_envoy import Envoy, until

Link = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def test_connections_beyond_the_limit_are_closed_and_probes_are_served(tmp_path: Path) -> None:
    instance = msgspec.structs.replace(INSTANCE, folder=str(tmp_path), connections=2)
    whole = json.loads(files(instance)[CONFIGURATION_FILE])
    del whole["dynamic_resources"]
    resources = whole["static_resources"]
    resources["clusters"] = [one for one in resources["clusters"] if one["name"] == "admin"]
    (probes,) = resources["listeners"]
    probes["address"] = {"pipe": {"path": str(tmp_path / "probes")}}
    resources["listeners"].append(listener(tmp_path / "clients"))
    envoy = Envoy(tmp_path, bootstrap.Bootstrap("envoy", "proxy", "", 0, instance.admin_socket))
    (tmp_path / "envoy.json").write_text(json.dumps(whole))
    envoy.start()
    links: list[Link] = []
    try:
        await until(lambda: is_listening(tmp_path / "probes"), "Envoy listens", PATIENCE_SECONDS)

        async def connected(name: str) -> bool:
            link = await asyncio.open_unix_connection(str(tmp_path / name))
            links.append(link)
            try:
                return await head(*link) != ""
            except (asyncio.IncompleteReadError, ConnectionError):
                return False

        found = [await connected("clients") for _ in range(8)]
        assert 1 <= found.count(True) <= 3, "two, or one more or less while Envoy counts the connection that looked"
        assert not any(found[3:])
        assert await connected("probes")
    finally:
        for _, writer in links:
            writer.close()
        envoy.kill()
