"""The server over TLS, with the clients that people use."""

import asyncio
import io
import json
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import kubernetes
import pytest
from aiohttp import web

from podwire.apiserver.access import pki
from podwire.apiserver.main import running
from podwire.apiserver.storage.history import Window
from podwire.kube.client import ApiError, Client
from podwire.kube.informer import Informer
from podwire.kube.kinds import CONFIG_MAPS, NAMESPACES
from podwire.kube.meta import NamespacedName
from tests.apiserver.conftest import Files, Served, configuration, free_listener, until

MAPS = "/api/v1/namespaces/default/configmaps"


def session(served: Served, **options: Any) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=served.credentials.ssl_context())
    return aiohttp.ClientSession(served.url, connector=connector, **options)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


# who may come in


async def connect(url: str, context: ssl.SSLContext) -> int:
    async with aiohttp.ClientSession() as plain, plain.get(f"{url}/api", ssl=context) as answer:
        return answer.status


@pytest.mark.proves("client-certificates-and-tokens", "http-1-1-over-tls")
async def test_a_client_with_a_certificate_is_let_in(served: Served) -> None:
    assert await connect(served.url, served.credentials.ssl_context()) == 200


async def test_a_client_without_certificate_is_nobody(served: Served) -> None:
    context = ssl.create_default_context(cafile=served.credentials.authority_file)
    assert await connect(served.url, context) == 401


@pytest.mark.proves("client-certificates-and-tokens")
async def test_a_certificate_of_another_authority_is_refused(served: Served, tmp_path: Path) -> None:
    pki.write(tmp_path, "stranger", pki.Authority.create().client("kubernetes-admin", ["system:masters"]))
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


@pytest.mark.proves("warning-headers")
async def test_warnings_are_headers(served: Served) -> None:
    async with session(served) as client, client.post(MAPS, json={**config_map("a"), "typo": 1}) as answer:
        assert answer.headers["Warning"] == '299 - "unknown field \\"typo\\""'


# watches


async def lines(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
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
    async with session(served) as client, client.get(MAPS, params=query) as watch, asyncio.timeout(10):
        assert await watch.read() == b""
    assert len(served.server.hub) == 0


@pytest.mark.proves("bad-slow-clients")
async def test_a_client_that_leaves_is_forgotten(served: Served) -> None:
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
async def test_a_reader_that_sleeps_is_cut_off_and_the_others_go_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podwire.apiserver.reads.reader.reader.watcher.LARGEST_BUFFER", 50)
    raw = socket.create_connection(("127.0.0.1", served.port))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sleeper = await asyncio.to_thread(served.credentials.ssl_context().wrap_socket, raw, server_hostname="localhost")
    request = f"GET {MAPS}?watch=true&resourceVersion=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    await asyncio.to_thread(sleeper.sendall, request.encode())
    async with session(served) as client, client.get(MAPS, params={"watch": "true", "resourceVersion": "1"}) as watch:
        async with asyncio.timeout(20):
            await until(lambda: len(served.server.hub) == 2)
            count = 0
            while len(served.server.hub) == 2:
                count += 1
                await client.post(MAPS, json=config_map(f"big-{count}", x="x" * 100_000))
                await watch.content.readline()
        assert len(served.server.hub) == 1
        await client.post(MAPS, json=config_map("last"))
        async with asyncio.timeout(10):
            while json.loads(await watch.content.readline())["object"]["metadata"]["name"] != "last":
                pass
    sleeper.close()


async def test_stopping_ends_watches_cleanly(files: Files) -> None:
    listener = free_listener()
    async with running(configuration(files, sockets=(listener,))) as server:
        served = Served(server, listener.getsockname()[1], files)
        client = session(served)
        watch = await client.get(MAPS, params={"watch": "true", "resourceVersion": str(server.store.version)})
    async with asyncio.timeout(5):
        assert await watch.read() == b""
    await client.close()


# listeners


async def test_a_listener_can_be_added_later(served: Served) -> None:
    listener = free_listener()
    await served.server.add_listener(listener)
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    assert await connect(url, served.credentials.ssl_context()) == 200


# podwire's own client


async def test_informers_follow(served: Served) -> None:
    async with Client(served.credentials) as client:
        informer = Informer(client, CONFIG_MAPS, "default")
        task = asyncio.create_task(informer.run())
        await client.create(CONFIG_MAPS, config_map("a", x="1"), "default")
        async with asyncio.timeout(10):
            await informer.wait_for(lambda: NamespacedName("default", "a") in informer.objects)
        await client.delete(CONFIG_MAPS, NamespacedName("default", "a"))
        async with asyncio.timeout(10):
            await informer.wait_for(lambda: NamespacedName("default", "a") not in informer.objects)
        task.cancel()
        with pytest.raises(ApiError) as refused:
            await client.get(NAMESPACES, NamespacedName("", "nowhere"))
        assert (refused.value.code, refused.value.reason) == (404, "NotFound")


# kubectl


MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {color: red}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: nginx}]
"""


async def test_kubectl_applies_changes_and_deletes(served: Served) -> None:
    assert "deployment.apps/web created" in await served.kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert "deployment.apps/web unchanged" in await served.kubectl("apply", "-f", "-", stdin=MANIFEST)
    changed = MANIFEST.replace("red", "blue").replace("image: nginx", "image: httpd")
    assert "settings configured" in await served.kubectl("apply", "-f", "-", stdin=changed)
    path = "jsonpath={.spec.template.spec.containers[0].image} {.metadata.generation}"
    assert await served.kubectl("get", "deployment", "web", "-n", "shop", "-o", path) == "httpd 2"
    assert await served.kubectl("get", "cm", "settings", "-n", "shop", "-o", "jsonpath={.data.color}") == "blue"
    assert "scaled" in await served.kubectl("scale", "deploy/web", "-n", "shop", "--replicas=3")
    assert "image updated" in await served.kubectl("set", "image", "deploy/web", "main=nginx:2", "-n", "shop")
    assert "labeled" in await served.kubectl("label", "cm", "settings", "-n", "shop", "a=b")
    assert "deleted" in await served.kubectl("delete", "cm", "settings", "-n", "shop")
    error = await served.kubectl("get", "cm", "settings", "-n", "shop", fails=True)
    assert error == 'Error from server (NotFound): configmaps "settings" not found\n'


@pytest.mark.proves("kubectl-validate", "client-kubectl-newest")
async def test_kubectl_names_unknown_fields(served: Served) -> None:
    wrong = MANIFEST.replace("image: nginx", "imagee: nginx")
    error = await served.kubectl("apply", "-f", "-", stdin=wrong, fails=True)
    assert 'unknown field "spec.template.spec.containers[0].imagee"' in error


@pytest.mark.proves("kubectl-wait")
async def test_kubectl_wait_returns_when_the_condition_comes(served: Served) -> None:
    await served.kubectl("apply", "-f", "-", stdin=MANIFEST)
    waiting = asyncio.create_task(
        served.kubectl("wait", "deploy/web", "-n", "shop", "--for=condition=Available", "--timeout=20s")
    )
    await until(lambda: len(served.server.hub))
    status = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    async with session(served) as client:
        merge = {"Content-Type": "application/merge-patch+json"}
        path = "/apis/apps/v1/namespaces/shop/deployments/web/status"
        async with client.patch(path, json=status, headers=merge) as answer:
            assert answer.status == 200
    assert "condition met" in await waiting


async def test_kubectl_delete_waits_for_the_finalizer(served: Served) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["test/hold"]}}
    await served.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    waiting = asyncio.create_task(served.kubectl("delete", "cm", "held", "--timeout=20s"))
    await until(lambda: len(served.server.hub))
    assert not waiting.done()
    await served.kubectl("patch", "cm", "held", "--type=json", '-p=[{"op": "remove", "path": "/metadata/finalizers"}]')
    assert "deleted" in await waiting


async def test_kubectl_finds_its_way(served: Served) -> None:
    assert "deployments" in await served.kubectl("api-resources", "--api-group=apps")
    assert "Server Version: v1.37" in await served.kubectl("version")
    assert "kube-system" in await served.kubectl("get", "ns", "-o", "name")
    assert await served.kubectl("get", "--raw", "/readyz") == "ok"


# the official Python client


@pytest.mark.proves("python-kubernetes")
async def test_the_python_client_lists_and_watches(served: Served) -> None:
    official: Any = kubernetes  # its own type hints are wrong in places

    def work() -> list[tuple[str, str]]:
        settings = official.client.Configuration()
        official.config.load_kube_config(str(served.kubeconfig), client_configuration=settings)
        with official.client.ApiClient(settings) as connection:
            api = official.client.CoreV1Api(connection)
            version = api.list_namespaced_config_map("default").metadata.resource_version
            api.create_namespaced_config_map("default", config_map("a", x="1"))
            api.patch_namespaced_config_map("a", "default", {"data": {"x": "2"}})
            api.delete_namespaced_config_map("a", "default")
            watch = official.watch.Watch()
            seen = []
            events = watch.stream(
                api.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=10
            )
            for event in events:
                seen.append((event["type"], event["object"].data["x"]))
                if event["type"] == "DELETED":
                    watch.stop()
            return seen

    assert await asyncio.to_thread(work) == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")]


# streams of pods, from a runtime that the test plays


@pytest.fixture
async def runtime(served: Served) -> AsyncIterator[list[str]]:
    asked: list[str] = []

    async def handle(raw: web.BaseRequest) -> web.StreamResponse:
        asked.append(raw.path_qs)
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
    yield asked
    await runner.cleanup()


async def test_kubectl_logs(served: Served, runtime: list[str]) -> None:
    assert await served.kubectl("logs", "web", "--tail=5") == "line 1\nline 2\n"
    (asked,) = runtime
    assert asked.partition("&reader=kubernetes-admin/")[0] == "/containerLogs/default/web/main?tailLines=5"


async def test_kubectl_exec(served: Served, runtime: list[str]) -> None:
    assert await served.kubectl("exec", "web", "--", "echo", "hello") == "hello\n"
    assert runtime == ["/exec/default/web/main?command=echo&command=hello&stdout=true&stderr=true"]


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


async def test_a_node_that_is_down_is_said_so(served: Served) -> None:
    pod = {
        "metadata": {"name": "web"},
        "spec": {"nodeName": "n2", "containers": [{"name": "main", "image": "nginx"}]},
    }
    async with session(served) as client:
        await client.post("/api/v1/namespaces/default/pods", json=pod)
        async with client.get("/api/v1/namespaces/default/pods/web/log") as answer:
            assert answer.status == 503
            assert "does not answer" in (await answer.json())["message"]


# death


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
    async with asyncio.timeout(20):
        while True:
            try:
                if await connect(f"https://127.0.0.1:{port}", context) == 200:
                    return process
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.02)


async def kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await asyncio.wait_for(process.wait(), 10)


@pytest.mark.proves("watch-resumes")
async def test_a_watch_goes_on_where_it_was_after_kill_9(files: Files) -> None:
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
    async with asyncio.timeout(10):
        async for line in client.watch(CONFIG_MAPS, "default", resourceVersion=version):
            seen.append(json.loads(line)["object"]["metadata"]["name"])
            if len(seen) == count:
                break
    return seen
