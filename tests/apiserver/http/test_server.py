"""The server over TLS, with the clients that people use."""

import asyncio
import contextlib
import io
import json
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from podwire.apiserver.main import running
from podwire.apiserver.storage.history import Window
from podwire.pki import certificates
from tests.apiserver.conftest import Files, Served, configuration, free_listener, until
from tests.apiserver.http.sessions import MAPS, config_map, connect, session

# who may come in


@pytest.mark.proves("client-certificates-and-tokens", "http-1-1-over-tls")
async def test_a_client_with_a_certificate_is_authenticated(served: Served) -> None:
    assert await connect(served.url, served.credentials.ssl_context()) == 200


async def test_a_client_without_certificate_is_401(served: Served) -> None:
    context = ssl.create_default_context(cafile=served.credentials.authority_file)
    assert await connect(served.url, context) == 401


@pytest.mark.proves("client-certificates-and-tokens")
async def test_a_certificate_of_another_authority_is_refused(served: Served, tmp_path: Path) -> None:
    certificates.write(
        tmp_path, "stranger", certificates.Authority.create().client("kubernetes-admin", ["system:masters"])
    )
    context = ssl.create_default_context(cafile=served.credentials.authority_file)
    context.load_cert_chain(tmp_path / "stranger.crt", tmp_path / "stranger.key")
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await connect(served.url, context)


async def test_the_server_s_own_certificate_proves_no_client(served: Served) -> None:
    context = served.files.credentials(served.url, client="server").ssl_context()
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await connect(served.url, context)


# bodies


@pytest.mark.proves("body-limit")
async def test_a_body_over_the_limit_is_refused(served: Served) -> None:
    large = io.BytesIO(b"x" * (3 * 1024 * 1024 + 1))
    async with session(served) as client, client.post(MAPS, data=large) as answer:
        assert answer.status == 413
        assert (await answer.json())["reason"] == "RequestEntityTooLarge"


async def test_a_body_of_100_megabytes_is_not_read_to_its_end(served: Served) -> None:
    """CVE-2026-24514: objects that were too large took the memory of what reads them."""
    sent = 0

    async def large() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            yield b"x" * (1 << 20)
            sent += 1

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with session(served) as client:
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            async with client.post(MAPS, data=large()) as answer:
                assert answer.status == 413
        async with client.get(MAPS) as answer:
            assert answer.status == 200
    assert sent < 50
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kilobytes"


@pytest.mark.proves("warning-headers")
async def test_warnings_are_headers(served: Served) -> None:
    async with session(served) as client, client.post(MAPS, json={**config_map("a"), "typo": 1}) as answer:
        assert answer.headers["Warning"] == '299 - "unknown field \\"typo\\""'


# watches


async def lines(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(60):
        return [json.loads(await response.content.readline()) for _ in range(count)]


@pytest.mark.proves("watch-lines")
async def test_a_watch_sends_headers_at_once_and_events_as_they_come(served: Served) -> None:
    query = {"watch": "true", "resourceVersion": str(served.server.store.version)}
    async with session(served) as client, client.get(MAPS, params=query) as watch:
        assert watch.headers["Content-Type"] == "application/json"
        await client.post(MAPS, json=config_map("a"))
        await client.delete(f"{MAPS}/a")
        assert [event["type"] for event in await lines(watch, 2)] == ["ADDED", "DELETED"]


@pytest.mark.proves("watch-timeouts")
async def test_a_watch_ends_cleanly_at_its_timeout(served: Served) -> None:
    query = {"watch": "true", "timeoutSeconds": "1", "fieldSelector": "metadata.name=nothing"}
    async with session(served) as client, client.get(MAPS, params=query) as watch, asyncio.timeout(60):
        assert await watch.read() == b""
    assert len(served.server.hub) == 0


@pytest.mark.proves("bad-slow-clients")
async def test_a_client_that_disconnects_is_removed(served: Served) -> None:
    async with session(served) as client:
        watch = await client.get(MAPS, params={"watch": "true"})
        assert len(served.server.hub) == 1
        watch.close()
        await until(lambda: not len(served.server.hub))


@pytest.mark.proves("watch-too-old", "watch-errors", "list-expired-token")
async def test_an_old_position_is_410(files: Files) -> None:
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,), window=Window(events=3))) as server:
        served = Served(server, listener.getsockname()[1], files)
        async with session(served) as client:
            for count in range(5):
                await client.post(MAPS, json=config_map(str(count)))
            async with client.get(MAPS, params={"watch": "true", "resourceVersion": "1"}) as watch:
                event = json.loads(await watch.read())
                assert (watch.status, event["type"]) == (200, "ERROR")
                assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
            async with client.get(MAPS, params={"limit": "1"}) as page:
                token = (await page.json())["metadata"]["continue"]
            for count in range(5, 10):
                await client.post(MAPS, json=config_map(str(count)))
            async with client.get(MAPS, params={"limit": "1", "continue": token}) as expired:
                assert expired.status == 410
                fresh = (await expired.json())["metadata"]["continue"]
            async with client.get(MAPS, params={"continue": fresh}) as rest:
                names = [item["metadata"]["name"] for item in (await rest.json())["items"]]
            assert names == [*"123456789", "kube-root-ca.crt"]


@pytest.mark.proves("watch-slow-clients", "bad-slow-clients")
async def test_a_slow_reader_is_disconnected_and_the_others_continue(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podwire.apiserver.reads.watcher.LARGEST_BUFFER", 50)
    raw = socket.create_connection(("127.0.0.1", served.port))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sleeper = await asyncio.to_thread(served.credentials.ssl_context().wrap_socket, raw, server_hostname="localhost")
    request = f"GET {MAPS}?watch=true&resourceVersion=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    await asyncio.to_thread(sleeper.sendall, request.encode())
    async with session(served) as client, client.get(MAPS, params={"watch": "true", "resourceVersion": "1"}) as watch:
        async with asyncio.timeout(60):
            await until(lambda: len(served.server.hub) == 2)
            count = 0
            while len(served.server.hub) == 2:
                count += 1
                await client.post(MAPS, json=config_map(f"big-{count}", x="x" * 100_000))
                await watch.content.readline()
        assert len(served.server.hub) == 1
        await client.post(MAPS, json=config_map("last"))
        async with asyncio.timeout(60):
            while json.loads(await watch.content.readline())["object"]["metadata"]["name"] != "last":
                pass
    sleeper.close()


async def test_stopping_ends_watches_cleanly(files: Files) -> None:
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,))) as server:
        served = Served(server, listener.getsockname()[1], files)
        client = session(served)
        watch = await client.get(MAPS, params={"watch": "true", "resourceVersion": str(server.store.version)})
    async with asyncio.timeout(60):
        assert await watch.read() == b""
    await client.close()


# listeners


async def test_a_listener_can_be_added_later(served: Served) -> None:
    listener = free_listener()
    await served.server.add_listener(listener)
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    assert await connect(url, served.credentials.ssl_context()) == 200
