"""One hop of the proxy, between a real client and a real server."""

import asyncio
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from yarl import URL

from podwire.http.reverse_proxy import MESSAGE_BYTES, Hop, pass_on


async def behind(request: web.BaseRequest) -> web.StreamResponse:
    """Reports the request, redirects, streams, or echoes messages."""
    if request.path == "/moved":
        return web.Response(status=302, headers={"Location": "/there", "X-Kept": "1"})
    if request.path == "/page":
        return web.Response(text='<a href="/there">there</a>', content_type="text/html")
    if request.path.endswith("/messages"):
        socket = web.WebSocketResponse(protocols=["one"])
        await socket.prepare(request)
        async for message in socket:
            known = {"path": request.raw_path, "much": "x" * MESSAGE_BYTES}
            await socket.send_str(known.get(message.data, message.data.upper()))
            if message.data == "bye":
                await socket.close(code=4001)
        return socket
    if request.path == "/stream":
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await asyncio.Event().wait()
    if request.path == "/cut":
        response = web.StreamResponse(headers={"Content-Length": "10"} if request.query else {})
        await response.prepare(request)
        await response.write(b"first")
        assert request.transport is not None
        request.transport.close()
        return response
    own = {
        name: request.headers[name] for name in ("X-Own", "Content-Type", "Authorization") if name in request.headers
    }
    return web.json_response([request.method, request.raw_path, own, (await request.read()).decode()], status=418)


async def started(handler: web.Server, path: Path) -> web.ServerRunner:
    runner = web.ServerRunner(handler, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(path)).start()
    return runner


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the hop."""

    async def hop(request: web.BaseRequest) -> web.StreamResponse:
        target = Hop(f"http://behind{request.raw_path}", str(tmp_path / "behind"), "/prefix")
        return await pass_on(request, target, await request.read())

    runners = [
        await started(web.Server(behind, handler_cancellation=True), tmp_path / "behind"),
        await started(web.Server(hop, handler_cancellation=True), tmp_path / "hop"),
    ]
    async with aiohttp.ClientSession("http://hop", connector=aiohttp.UnixConnector(str(tmp_path / "hop"))) as session:
        yield session
    for runner in reversed(runners):
        await runner.cleanup()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_method_path_headers_and_body_are_passed_on(client: aiohttp.ClientSession, method: str) -> None:
    headers = {"X-Own": "1", "Content-Type": "text/x", "Authorization": "Bearer secret"}
    async with client.request(method, URL("/a%2Fb//c?x=%20", encoded=True), data=b"body", headers=headers) as answer:
        own = {"X-Own": "1", "Content-Type": "text/x"}
        assert (answer.status, await answer.json()) == (418, [method, "/a%2Fb//c?x=%20", own, "body"])


async def test_redirections_lead_back_through_the_proxy(client: aiohttp.ClientSession) -> None:
    async with client.get("/moved", allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"], answer.headers["X-Kept"]) == (302, "/prefix/there", "1")


async def test_links_of_a_page_lead_back_through_the_proxy(client: aiohttp.ClientSession) -> None:
    async with client.get("/page") as answer:
        assert await answer.text() == '<a href="/prefix/there">there</a>'


async def test_an_answer_comes_as_it_is_made(client: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(60), client.get("/stream") as answer:
        assert await answer.content.readexactly(5) == b"first"


@pytest.mark.parametrize("path", ["/cut", "/cut?length=10"])
async def test_an_answer_that_is_cut_off_does_not_look_whole(client: aiohttp.ClientSession, path: str) -> None:
    async with asyncio.timeout(60), client.get(path) as answer:
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_messages_pass_both_ways_and_so_does_the_end(client: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(60), client.ws_connect("/messages", protocols=["two", "one"]) as socket:
        assert socket.protocol == "one"
        for text in ("a", "bye"):
            await socket.send_str(text)
            assert (await socket.receive()).data == text.upper()
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4001


async def test_a_message_too_big_for_the_client_ends_the_connection_with_its_code(
    client: aiohttp.ClientSession,
) -> None:
    async with asyncio.timeout(60), client.ws_connect("/messages", max_msg_size=0) as socket:
        await socket.send_str("much")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


@pytest.mark.usefixtures("client")
async def test_a_message_that_the_client_announces_as_too_big_is_refused_before_it_came(tmp_path: Path) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "hop"))
    writer.write(f"GET /messages HTTP/1.1\r\nHost: hop\r\n{upgrade}{'A' * 22}==\r\n\r\n".encode())
    async with asyncio.timeout(60):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.write(b"\x82\xff" + struct.pack("!Q", MESSAGE_BYTES) + b"mask")
        (_, _, code) = struct.unpack("!BBH", await reader.readexactly(4))
    assert code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    writer.close()


@pytest.mark.parametrize("path", ["/a/../../messages", "/a/%2e%2e/messages", "//a%2Fb/./messages"])
async def test_the_dots_of_a_path_lead_nowhere_else(client: aiohttp.ClientSession, path: str) -> None:
    """Resolved on the way, they would open what the client was not let into: another pod's exec."""
    target = URL(f"http://hop{path}", encoded=True)
    async with asyncio.timeout(60), client.ws_connect(target) as socket:
        await socket.send_str("path")
        assert (await socket.receive()).data == path
