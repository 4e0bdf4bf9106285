"""Exec and attach frame by frame, through the real API server: what clients other than kubectl rely on."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import WSMsgType

from tests.world.harness import World

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
SECONDS = 60


@pytest.fixture(scope="module")
def pods(quarter: World) -> World:
    quarter.kubectl("run", "shell", "--image=busybox", "--", "sleep", "1000")
    quarter.kubectl("wait", "pod/shell", "--for=condition=Ready", "--timeout=60s")
    return quarter


def access(world: World, folder: Path) -> tuple[str, ssl.SSLContext]:
    """The server's URL and a context with the client's certificate, from the kubeconfig."""
    config = yaml.safe_load(world.kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    for name in ("client-certificate-data", "client-key-data"):
        (folder / name).write_bytes(base64.b64decode(user[name]))
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    context.load_cert_chain(folder / "client-certificate-data", folder / "client-key-data")
    return cluster["server"], context


@asynccontextmanager
async def opened(
    world: World, folder: Path, query: str, protocol: str, **options: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url, context = access(world, folder)
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as session:
        path = f"{url}/api/v1/namespaces/{world.namespace}/pods/shell/exec?{query}"
        async with session.ws_connect(path, protocols=[protocol], ssl=context, **options) as socket:
            tcp = socket.get_extra_info("socket")
            yield socket
        while tcp.fileno() >= 0:  # noqa: ASYNC110 - TLS ends its connection behind aiohttp's back
            await asyncio.sleep(0.001)


def command(*words: str, **flags: bool) -> str:
    return "&".join([*(f"command={word}" for word in words), *(f"{name}=true" for name in flags)])


async def frames(socket: aiohttp.ClientWebSocketResponse) -> list[tuple[int, bytes]]:
    """All frames up to the end, those of one channel in a row joined."""
    found: list[tuple[int, bytes]] = []
    async for message in socket:
        assert message.type is WSMsgType.BINARY
        channel, content = message.data[0], message.data[1:]
        if found and found[-1][0] == channel:
            found[-1] = (channel, found[-1][1] + content)
        else:
            found.append((channel, content))
    return found


@pytest.mark.proves("exec-v5")
async def test_v5_has_an_empty_first_frame_ends_input_and_closes_in_order(pods: World, tmp_path: Path) -> None:
    async with opened(pods, tmp_path, command("cat", stdin=True, stdout=True), V5) as socket:
        assert socket.protocol == V5
        assert (await socket.receive()).data == b"\x01"
        await socket.send_bytes(b"\x00")
        await socket.send_bytes(b"\x00typed")
        await socket.send_bytes(b"\xff\x01")
        await socket.send_bytes(b"\xff\x00")
        (channel, shown), (last, status) = await frames(socket)
        assert (channel, shown, last) == (1, b"typed", 3)
        assert json.loads(status) == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        assert socket.close_code == 1000


@pytest.mark.proves("exec-v4", "exec-status")
async def test_v4_has_no_end_of_input_and_the_same_status(pods: World, tmp_path: Path) -> None:
    read = command("sh", "-c", "read x; echo got $x; echo no >%262; exit 3", stdin=True, stdout=True, stderr=True)
    async with opened(pods, tmp_path, read, V4) as socket:
        assert socket.protocol == V4
        await socket.send_bytes(b"\xff\x00")
        await socket.send_bytes(b"\x00it\n")
        found = dict(await frames(socket))
        assert (found[1], found[2]) == (b"got it\n", b"no\n")
        status = json.loads(found[3])
        assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
        assert status["details"]["causes"][0] == {"reason": "ExitCode", "message": "3"}


@pytest.mark.proves("exec-tty")
async def test_a_terminal_merges_both_outputs_and_follows_its_size(pods: World, tmp_path: Path) -> None:
    script = "read x; stty size; echo error >%262"
    async with opened(pods, tmp_path, command("sh", "-c", script, stdin=True, stdout=True, tty=True), V5) as socket:
        await socket.send_bytes(b'\x04{"Width":91,"Height":17}')
        await socket.send_bytes(b"\x04no size")
        await socket.send_bytes(b"\x00go\n")
        found = await frames(socket)
        assert [channel for channel, _ in found] == [1, 3]
        assert found[0][1].decode() == "go\r\n17 91\r\nerror\r\n"


@pytest.mark.proves("exec-v5")
async def test_pings_are_answered_while_a_command_is_silent(pods: World, tmp_path: Path) -> None:
    sleeping = command("sleep", "1000", stdout=True)
    async with opened(pods, tmp_path, sleeping, V5, autoping=False) as socket:
        assert (await socket.receive()).data == b"\x01"
        for text in (b"one", b"two"):
            await socket.ping(text)
            message = await socket.receive()
            assert (message.type, bytes(message.data)) == (WSMsgType.PONG, text)


async def refusal(world: World, folder: Path, method: str = "GET", **headers: str) -> tuple[int, str]:
    """Code and message of the answer to a handshake that is refused."""
    url, context = access(world, folder)
    path = f"{url}/api/v1/namespaces/{world.namespace}/pods/shell/exec?{command('true')}"
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol": V5,
    }
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        asyncio.timeout(SECONDS),
        aiohttp.ClientSession() as session,
        session.request(method, path, ssl=context, headers={**upgrade, **named}) as answer,
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers
        return answer.status, (await answer.json())["message"]


@pytest.mark.proves("streams-origin")
async def test_pages_of_other_sites_are_refused(pods: World, tmp_path: Path) -> None:
    url, _ = access(pods, tmp_path)
    for origin in ("https://evil.example", "null", f"{url}.evil.example"):
        code, message = await refusal(pods, tmp_path, Origin=origin)
        assert (code, message) == (403, "the request comes from a page of another site")
    async with opened(pods, tmp_path, command("echo", "here", stdout=True), V5, origin=url) as socket:
        assert (await frames(socket))[0] == (1, b"here\n")


async def test_a_stream_without_a_server_is_refused_with_the_reason(pods: World, tmp_path: Path) -> None:
    code, message = await refusal(pods, tmp_path, Sec_WebSocket_Protocol="v1.channel.k8s.io")
    assert (code, "offer one of v5.channel.k8s.io, v4.channel.k8s.io, channel.k8s.io" in message) == (400, True)
    code, message = await refusal(pods, tmp_path, "POST", Upgrade="SPDY/3.1")
    assert (code, "SPDY streams are not served: use a client that speaks WebSocket" in message) == (400, True)
