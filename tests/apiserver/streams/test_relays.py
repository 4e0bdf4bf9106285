"""Streams of pods over TLS, from a node that the test plays."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.apiserver.conftest import Served
from tests.apiserver.http.sessions import session


@pytest.fixture
async def runtime(served: Served) -> AsyncIterator[list[str]]:
    requested: list[str] = []

    async def handle(raw: web.BaseRequest) -> web.StreamResponse:
        requested.append(raw.path_qs)
        if raw.path.startswith("/containerLogs"):
            return web.Response(text="line 1\nline 2\n")
        if "forbidden" in raw.path_qs:
            return web.Response(status=500, text="the container is not running")
        socket_ = web.WebSocketResponse(protocols=["v5.channel.k8s.io"])
        await socket_.prepare(raw)
        await socket_.send_bytes(b"\1hello\n")
        await socket_.send_bytes(b'\3{"metadata":{},"status":"Success"}')
        await socket_.close()
        return socket_

    folder = served.files.folder / "nodes" / "n1"
    folder.mkdir(parents=True)
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.UnixSite(runner, str(folder / "runtime.sock")).start()
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web"},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "nginx"}]},
    }
    async with session(served) as client, client.post("/api/v1/namespaces/default/pods", json=pod) as answer:
        assert answer.status == 201, await answer.text()
        ready = {"status": {"phase": "Running"}}
        merge = {"Content-Type": "application/merge-patch+json"}
        await client.patch("/api/v1/namespaces/default/pods/web/status", json=ready, headers=merge)
    yield requested
    await runner.cleanup()


async def test_kubectl_logs(served: Served, runtime: list[str]) -> None:
    assert await served.kubectl("logs", "web", "--tail=5") == "line 1\nline 2\n"
    (requested,) = runtime
    assert requested.partition("&reader=kubernetes-admin/")[0] == "/containerLogs/default/web/main?tailLines=5"


async def test_kubectl_exec(served: Served, runtime: list[str]) -> None:
    assert await served.kubectl("exec", "web", "--", "echo", "hello") == "hello\n"
    assert runtime == ["/exec/default/web/main?command=echo&command=hello&output=1&error=1"]


@pytest.mark.parametrize(
    ("protocols", "chosen", "expected"),
    [
        (["binary.k8s.io"], "binary.k8s.io", b"line 1\nline 2\n"),
        ([], None, b"line 1\nline 2\n"),
        (["base64.binary.k8s.io"], "base64.binary.k8s.io", b"bGluZSAxCmxpbmUgMgo="),
    ],
)
async def test_logs_come_as_messages_where_a_client_wants_them(
    served: Served, runtime: list[str], protocols: list[str], chosen: str | None, expected: bytes
) -> None:
    path = "/api/v1/namespaces/default/pods/web/log"
    async with session(served) as client, client.ws_connect(path, protocols=protocols) as socket:
        assert socket.protocol == chosen
        parts = [message.data async for message in socket]
    whole = b"".join(part.encode() if isinstance(part, str) else part for part in parts)
    assert whole == expected
    assert socket.close_code == 1000
    assert len(runtime) == 1


async def test_a_runtime_s_refusal_reaches_the_client(served: Served, runtime: list[str]) -> None:
    path = "/api/v1/namespaces/default/pods/web/exec?command=forbidden&stdout=true"
    async with session(served) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(path, protocols=["v5.channel.k8s.io"])
    assert refused.value.status == 500
    assert len(runtime) == 1


@pytest.mark.proves("streams-origin")
async def test_a_page_of_another_site_cannot_exec(served: Served, runtime: list[str]) -> None:
    path = "/api/v1/namespaces/default/pods/web/exec?command=ls&stdout=true"
    async with session(served) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await client.ws_connect(path, protocols=["v5.channel.k8s.io"], headers={"Origin": "https://evil.example"})
    assert refused.value.status == 403
    assert runtime == []


async def test_a_node_that_is_down_is_503(served: Served) -> None:
    pod = {
        "metadata": {"name": "web"},
        "spec": {"nodeName": "n2", "containers": [{"name": "main", "image": "nginx"}]},
    }
    async with session(served) as client:
        await client.post("/api/v1/namespaces/default/pods", json=pod)
        async with client.get("/api/v1/namespaces/default/pods/web/log") as answer:
            assert answer.status == 503
            assert "does not answer" in (await answer.json())["message"]
