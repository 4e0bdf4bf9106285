"""Nodes with kubelets on TCP: TLS with client certificates, played by the test."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from podwire.apiserver.main import running
from podwire.apiserver.streams.node_dialer import KubeletDialer, NodeUnknownError, kubelet_context
from podwire.http.reverse_proxy import Endpoint
from podwire.pki import certificates
from tests.apiserver.conftest import Files, Served, configuration, free_listener
from tests.apiserver.http.sessions import session

PODS = "/api/v1/namespaces/default/pods"


def node(*addresses: tuple[str, str], port: int = 0) -> dict[str, Any]:
    state: dict[str, Any] = {"addresses": [{"type": kind, "address": address} for kind, address in addresses]}
    if port:
        state["daemonEndpoints"] = {"kubeletEndpoint": {"Port": port}}
    return {"metadata": {"name": "n1"}, "status": state}


def dialer(found: dict[str, Any] | None) -> KubeletDialer:
    return KubeletDialer(lambda name: found if name == "n1" else None, ssl.create_default_context())


@pytest.mark.parametrize(
    ("found", "url"),
    [
        (node(("Hostname", "n1"), ("InternalIP", "10.0.0.1")), "https://10.0.0.1:10250"),
        (node(("InternalIP", "fd00::1"), port=10255), "https://[fd00::1]:10255"),
        (node(("ExternalIP", "192.0.2.1"), ("Hostname", "n1")), "https://192.0.2.1:10250"),
        (node(("Hostname", "n1")), "https://n1:10250"),
    ],
)
def test_a_kubelet_is_at_the_best_address_of_its_node(found: dict[str, Any], url: str) -> None:
    endpoint = dialer(found).kubelet("n1")
    assert (endpoint.url, endpoint.socket) == (url, "")
    assert endpoint.tls is not None


@pytest.mark.parametrize(("found", "message"), [(None, "is not registered"), (node(), "has no address")])
def test_a_node_that_cannot_be_dialled(found: dict[str, Any] | None, message: str) -> None:
    with pytest.raises(NodeUnknownError, match=message):
        dialer(found).kubelet("n1")


def test_a_backend_is_dialled_itself() -> None:
    assert dialer(None).backend("n1", "https", "fd00::2", 443) == Endpoint("https://[fd00::2]:443")


class Kubelet:
    """An HTTP server with TLS that accepts one authority's clients only."""

    def __init__(self, files: Files) -> None:
        self.seen: list[str] = []
        self._files = files
        self._runner = web.ServerRunner(web.Server(self._handle))
        self.port = 0

    async def start(self, *, clients: bool = True) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._files.folder / "kubelet.crt", self._files.folder / "kubelet.key")
        if clients:
            context.load_verify_locations(self._files.folder / "ca.crt")
            context.verify_mode = ssl.CERT_REQUIRED
        await self._runner.setup()
        listener = free_listener()
        self.port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener, ssl_context=context).start()

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _handle(self, raw: web.BaseRequest) -> web.StreamResponse:
        self.seen.append(raw.path_qs)
        if raw.path.startswith("/exec"):
            socket = web.WebSocketResponse(protocols=["v5.channel.k8s.io"])
            await socket.prepare(raw)
            await socket.send_bytes(b"\1hello\n")
            await socket.close()
            return socket
        return web.Response(text="line\n")


@pytest.fixture
async def kubelet(files: Files) -> AsyncIterator[Kubelet]:
    _own_certificate(files.folder)
    found = Kubelet(files)
    yield found
    await found.stop()


def _own_certificate(folder: Path) -> None:
    """A certificate that no authority of the cluster has signed, as a kubelet makes it for itself."""
    certificates.write(folder, "kubelet", certificates.Authority.create("kubelet").server(("n1",), ()))


@pytest.fixture
async def cluster(files: Files, kubelet: Kubelet) -> AsyncIterator[Served]:
    """An API server that dials the kubelet of node n1, where pod web runs."""
    await kubelet.start()
    folder, listener = files.folder, free_listener()
    tls = kubelet_context(str(folder / "admin.crt"), str(folder / "admin.key"))
    config = configuration(files, sockets=(listener,), dial_nodes=lambda find: KubeletDialer(find, tls))
    async with running(config) as server:
        served = Served(server, listener.getsockname()[1], files)
        await _populate(served, kubelet.port)
        yield served


async def _populate(served: Served, port: int) -> None:
    state = node(("InternalIP", "127.0.0.1"), port=port)
    pod = {
        "metadata": {"name": "web"},
        "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "nginx"}]},
    }
    merge = {"Content-Type": "application/merge-patch+json"}
    async with session(served, raise_for_status=True) as client:
        await client.post("/api/v1/nodes", json={"metadata": {"name": "n1"}})
        await client.patch("/api/v1/nodes/n1/status", json={"status": state["status"]}, headers=merge)
        await client.post(PODS, json=pod)
        running_state = {"status": {"phase": "Running", "podIP": "127.0.0.1"}}
        await client.patch(f"{PODS}/web/status", json=running_state, headers=merge)


async def test_logs_and_exec_come_from_the_kubelet(cluster: Served, kubelet: Kubelet) -> None:
    async with session(cluster) as client:
        async with client.get(f"{PODS}/web/log?tailLines=5") as answer:
            assert (answer.status, await answer.text()) == (200, "line\n")
        path = f"{PODS}/web/exec?command=ls&stdout=true"
        async with client.ws_connect(path, protocols=["v5.channel.k8s.io"]) as socket:
            assert (await socket.receive()).data == b"\1hello\n"
    assert kubelet.seen == ["/containerLogs/default/web/main?tailLines=5", "/exec/default/web/main?command=ls&output=1"]


async def test_the_proxy_of_a_node_is_its_kubelet_and_that_of_a_pod_the_pod(cluster: Served, kubelet: Kubelet) -> None:
    async with session(cluster) as client:
        for path in ("/api/v1/nodes/n1/proxy/stats/summary", f"{PODS}/https:web:{kubelet.port}/proxy/stats/summary"):
            async with client.get(path) as answer:
                body = await answer.text()
                # The pod's own server requests a client certificate, which only kubelets are given.
                assert (answer.status, "line" in body) == ((200, True) if "nodes" in path else (503, False)), body
    assert kubelet.seen == ["/stats/summary"]


async def test_a_client_without_the_certificate_is_refused(cluster: Served, kubelet: Kubelet) -> None:
    del cluster
    async with aiohttp.ClientSession() as client:
        with pytest.raises(aiohttp.ClientError):
            async with client.get(f"https://127.0.0.1:{kubelet.port}/healthz", ssl=False) as answer:
                await answer.read()
    assert kubelet.seen == []


async def test_a_backend_with_a_certificate_of_its_own_is_reached(files: Files, kubelet: Kubelet) -> None:
    await kubelet.start(clients=False)
    folder, listener = files.folder, free_listener()
    tls = kubelet_context(str(folder / "admin.crt"), str(folder / "admin.key"), str(folder / "ca.crt"))
    config = configuration(files, sockets=(listener,), dial_nodes=lambda find: KubeletDialer(find, tls))
    async with running(config) as server:
        served = Served(server, listener.getsockname()[1], files)
        await _populate(served, kubelet.port)
        async with session(served) as client:
            async with client.get(f"{PODS}/https:web:{kubelet.port}/proxy/x") as answer:
                assert (answer.status, await answer.text()) == (200, "line\n")
            async with client.get(f"{PODS}/web:{kubelet.port}/proxy/x") as answer:
                assert answer.status != 200, "without https: there is no TLS"
            # With an authority the kubelet's certificate is checked, and this one is of nobody.
            async with client.get(f"{PODS}/web/log") as answer:
                assert answer.status == 503
    assert kubelet.seen == ["/x"]
