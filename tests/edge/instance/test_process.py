from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podwire.edge.instance.process import Connections, body_of, connections, counted, drain
from podwire.edge.xds import bootstrap
from tests.edge.xds.real_envoy import Envoy, until

PATIENCE_SECONDS = 30.0


def test_connections_of_all_listeners_count_but_those_of_envoy_itself() -> None:
    stats = (
        "listener.[__]_10000.downstream_cx_active: 3\n"
        "listener.[__]_10000.worker_0.downstream_cx_active: 2\n"
        "listener.[__]_10000.downstream_cx_total: 9\n"
        "listener.probes.downstream_cx_active: 1\n"
        "listener.admin.downstream_cx_active: 1\n"
    )

    assert counted(stats) == Connections(active=3, total=9)
    assert counted("") == Connections()


def test_a_body_is_read_whole_or_by_chunks() -> None:
    assert body_of(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok") == "ok"
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
    assert body_of(chunked) == "abcd"
    assert body_of(b"HTTP/1.1 200 OK\r\n\r\n") == ""


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.0 426 Upgrade Required\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n\r\nno"])
def test_a_refusal_of_the_admin_interface_is_no_empty_answer(answer: bytes) -> None:
    with pytest.raises(OSError, match="admin interface answered"):
        body_of(answer)


@contextlib.asynccontextmanager
async def envoy(folder: Path) -> AsyncIterator[Path]:
    """An Envoy that answers 200 on a unix socket."""
    settings = bootstrap.Bootstrap("envoy", "proxy", str(folder / "xds"), 0, str(folder / "admin"))
    found = Envoy(folder, settings)
    whole = bootstrap.configuration(settings)
    del whole["dynamic_resources"]
    whole["static_resources"]["listeners"] = [listener(folder / "clients")]
    (folder / "envoy.json").write_text(json.dumps(whole))
    found.start()
    try:
        await until(lambda: is_listening(folder / "clients"), "Envoy listens", PATIENCE_SECONDS)
        yield folder / "clients"
    finally:
        found.kill()


def is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def listener(path: Path) -> dict[str, Any]:
    types = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                }
            ]
        },
    }
    filters = [{"name": "http", "typed_config": manager}]
    return {"name": "clients", "address": {"pipe": {"path": str(path)}}, "filter_chains": [{"filters": filters}]}


async def head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    writer.write(b"GET / HTTP/1.1\r\nHost: all\r\n\r\n")
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await reader.readuntil(b"\r\n\r\n")).decode().lower()


def test_an_envoy_that_drains_serves_as_long_as_clients_connect(tmp_path: Path) -> None:
    async def go() -> None:
        async with envoy(tmp_path) as clients:
            kept = await asyncio.open_unix_connection(str(clients))
            assert "connection: close" not in await head(*kept)
            draining = asyncio.create_task(drain(str(tmp_path / "admin"), quiet_seconds=1.5))
            while "connection: close" not in await head(*kept):  # noqa: ASYNC110 Envoy does not announce its drain
                await asyncio.sleep(0.01)
            kept[1].close()
            for _ in range(20):
                link = await asyncio.open_unix_connection(str(clients))
                assert "connection: close" in await head(*link)
                link[1].close()
            assert not draining.done()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await draining
            assert (await connections(str(tmp_path / "admin"))).active == 0

    asyncio.run(go())


def test_a_drain_ends_where_envoy_has_ended(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(drain(str(tmp_path / "admin")))
