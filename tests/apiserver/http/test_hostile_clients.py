"""Clients that speak no HTTP, too much of it, too slowly, or go away in the middle: a Status, and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import ssl
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.apiserver.conftest import Served, until
from tests.apiserver.samples import MAPS, config_map

HEAD = "Host: localhost\r\nContent-Type: application/json\r\n"

UNREADABLE: dict[str, bytes] = {
    "no HTTP": b"\x16\x03\x01 what is this\r\n\r\n",
    "another version": b"GET /api HTTP/9.9\r\nHost: a\r\n\r\n",
    "a space in the path": b"GET /a b c HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method of noise": b"G\x00T /api HTTP/1.1\r\nHost: a\r\n\r\n",
    "a header without a name": f"GET /api HTTP/1.1\r\n{HEAD}: x\r\n\r\n".encode(),
    "a header with a zero": f"GET /api HTTP/1.1\r\n{HEAD}X: a\0b\r\n\r\n".encode(),
    "two lengths": f"POST {MAPS} HTTP/1.1\r\n{HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}".encode(),
    "a length and chunks": f"PUT /a HTTP/1.1\r\n{HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n".encode(),
    "a negative length": f"POST {MAPS} HTTP/1.1\r\n{HEAD}Content-Length: -1\r\n\r\n".encode(),
    "a length of letters": f"POST {MAPS} HTTP/1.1\r\n{HEAD}Content-Length: ten\r\n\r\n".encode(),
    "chunks of noise": f"POST {MAPS} HTTP/1.1\r\n{HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n".encode(),
    "a broken gzip": f"POST {MAPS} HTTP/1.1\r\n{HEAD}Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx".encode(),
    "a header over the limit": f"GET /api HTTP/1.1\r\n{HEAD}X: {'x' * 1_200_000}\r\n\r\n".encode(),
    "a path over the limit": f"GET /{'x' * 1_200_000} HTTP/1.1\r\n{HEAD}\r\n".encode(),
    "too many headers": ("GET /api HTTP/1.1\r\n" + "".join(f"X-{n}: 1\r\n" for n in range(5000)) + "\r\n").encode(),
    "a body over the limit": f"POST {MAPS} HTTP/1.1\r\n{HEAD}Content-Length: 4000000\r\n\r\n".encode(),
}


def trusted(served: Served) -> ssl.SSLContext:
    context: ssl.SSLContext = served.credentials.ssl_context()
    return context


async def connected(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", served.port, ssl=trusted(served), limit=4_000_000)


async def answer(served: Served, request: bytes) -> tuple[int, bytes]:
    """Status code and body that come back; 0 where the connection ends without an answer."""
    reader, writer = await connected(served)
    try:
        writer.write(request)
        async with asyncio.timeout(60):
            line = await reader.readline()
            if not line:
                return 0, b""
            headers = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(one.split(b":")[1])
                    for one in headers.split(b"\r\n")
                    if one.lower().startswith(b"content-length")
                ),
                0,
            )
            return int(line.split()[1]), await reader.readexactly(length)
    except ConnectionError:
        return 0, b""
    finally:
        writer.close()


async def works(served: Served) -> None:
    connector = aiohttp.TCPConnector(ssl=trusted(served))
    async with aiohttp.ClientSession(served.url, connector=connector) as client, client.get("/api/v1/nodes") as found:
        assert found.status == 200, await found.text()


@pytest.mark.proves("bad-headers")
@pytest.mark.parametrize("what", sorted(UNREADABLE))
async def test_what_is_no_request_is_refused_by_a_status(served: Served, what: str) -> None:
    code, body = await answer(served, UNREADABLE[what])
    refusal = json.loads(body)
    assert (refusal["kind"], refusal["status"], refusal["code"]) == ("Status", "Failure", code)
    assert 400 <= code < 500
    assert refusal["message"]
    await works(served)


@pytest.mark.proves("bad-headers")
async def test_noise_on_the_wire_never_stops_the_server(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    chance, good = random.Random(1), list(UNREADABLE.values())
    for _ in range(60):
        noise = bytearray(chance.choice(good)[:400])
        for _ in range(chance.randrange(8)):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        code, body = await answer(served, bytes(noise) + b"\r\n\r\n")
        assert code == 0 or not body or isinstance(json.loads(body), dict) or code < 300
    await works(served)
    assert "Traceback" not in caplog.text


@pytest.mark.proves("bad-selectors")
async def test_a_long_selector_is_read_and_an_endless_one_refused(served: Served) -> None:
    names = ",".join(f"name-{count}" for count in range(5_000))
    code, _ = await answer(served, f"GET {MAPS}?labelSelector=a+in+({names}) HTTP/1.1\r\n{HEAD}\r\n".encode())
    assert code == 200
    code, body = await answer(served, f"GET {MAPS}?labelSelector={'a' * 100_000} HTTP/1.1\r\n{HEAD}\r\n".encode())
    assert code == 400
    assert len(body) < 1000


@pytest.mark.proves("bad-slow-clients")
async def test_a_body_that_does_not_arrive_times_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.apiserver.http.server.BODY_SECONDS", 0.2)
    code, body = await answer(served, f"POST {MAPS} HTTP/1.1\r\n{HEAD}Content-Length: 100\r\n\r\n{{".encode())
    assert (code, json.loads(body)["reason"]) == (504, "Timeout")
    await works(served)


@pytest.mark.proves("bad-slow-clients")
async def test_headers_that_do_not_arrive_end_the_connection(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podwire.apiserver.http.connections.HEADER_SECONDS", 2.0)
    slow = [await connected(served) for _ in range(50)]
    for _, writer in slow:
        writer.write(b"GET /api HTTP/1.1\r\nHost: loc")
    await works(served)
    async with asyncio.timeout(60):
        for reader, writer in slow:
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            writer.close()


@pytest.mark.long
@pytest.mark.proves("bad-slow-clients")
async def test_clients_that_vanish_leave_no_descriptor_and_no_task(served: Served) -> None:
    """In the middle of a header, of a body, of a large answer, of a watch."""
    requests = (
        b"GET /api HTTP/1.1\r\nHo",
        f"POST {MAPS} HTTP/1.1\r\n{HEAD}Content-Length: 1000000\r\n\r\n{{".encode(),
        f"GET /openapi/v3/api/v1 HTTP/1.1\r\n{HEAD}\r\n".encode(),
        f"GET {MAPS}?watch=true HTTP/1.1\r\n{HEAD}\r\n".encode(),
    )

    async def come_and_go() -> None:
        for request in requests:
            _, writer = await connected(served)
            writer.write(request)
            await writer.drain()
            writer.transport.abort()

    await works(served)
    await come_and_go()
    await until(lambda: len(served.server.hub) == 0)
    gc.collect()
    before = descriptors(), len(asyncio.all_tasks())
    for _ in range(25):
        await come_and_go()
    await until(lambda: len(served.server.hub) == 0)
    await until(lambda: descriptors() <= before[0] and len(asyncio.all_tasks()) <= before[1], 60)
    await works(served)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


WATCHERS = """
import asyncio, json, sys
import aiohttp
from podwire.kube.credentials import Credentials

async def main(number, events, *files):
    context = Credentials(*files).ssl_context()
    async with aiohttp.ClientSession(files[0], connector=aiohttp.TCPConnector(ssl=context, limit=0)) as client:
        opening = asyncio.Semaphore(20)
        async def watch():
            query = {"watch": "true", "resourceVersion": "0", "labelSelector": "watched"}
            async with opening:
                answer = await client.get("/api/v1/namespaces/default/configmaps", params=query)
            print("open", flush=True)
            return [json.loads(await answer.content.readline())["object"]["metadata"]["name"] for _ in range(events)]
        for seen in await asyncio.gather(*(watch() for _ in range(number))):
            assert seen == [f"m-{count}" for count in range(events)], seen
    print("all", flush=True)

asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
"""


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.proves("watch-many", "bad-slow-clients")
async def test_a_thousand_watchers_receive_all_events(served: Served, tmp_path: Path) -> None:
    number, events = 1000, 20
    files = [served.url, *(str(tmp_path / name) for name in ("ca.crt", "admin.crt", "admin.key"))]
    before = resident()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WATCHERS, str(number), str(events), *files, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(number):
        assert await process.stdout.readline() == b"open\n"
    assert len(served.server.hub) == number
    assert (resident() - before) / number < 100_000, "bytes for each watcher, its TLS connection included"
    connector = aiohttp.TCPConnector(ssl=trusted(served))
    async with aiohttp.ClientSession(served.url, connector=connector) as client:
        for count in range(events):
            body = config_map(f"m-{count}") | {"metadata": {"name": f"m-{count}", "labels": {"watched": ""}}}
            async with client.post(MAPS, json=body) as made:
                assert made.status == 201
    assert await process.stdout.readline() == b"all\n"
    await process.wait()
    await until(lambda: len(served.server.hub) == 0)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
