"""What an authorization service receives, and what of its response goes on to the backend."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from envoy.service.auth.v3 import external_auth_pb2

from podwire.edge.envoy.external_auth import FRAMING, all_but
from podwire.edge.model.backends import Cluster, Endpoint, Endpoints, ServicePort, Transport, WeightedBackend
from podwire.edge.model.filters import ExternalAuth
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener
from podwire.edge.model.matches import Match, PathMatch, PathType
from podwire.edge.model.routes import Forward, Route, RouteName, VirtualHost
from tests.edge.envoy.unix_sockets import envoy_with

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEB, AUTH, GRPC = (
    Cluster(ServicePort("shop", name, 80), transport)
    for name, transport in (("web", Transport.HTTP1), ("auth", Transport.HTTP1), ("grpc", Transport.H2C))
)
GUARDS = {
    "/http": ExternalAuth(AUTH.name, "HTTP", "/check"),
    "/http-list": ExternalAuth(AUTH.name, "HTTP", "", ("X-One", "Content-Length"), ("X-User", "Content-Length")),
    "/http-body": ExternalAuth(AUTH.name, "HTTP", max_body=10),
    "/grpc": ExternalAuth(GRPC.name, "GRPC"),
    "/grpc-list": ExternalAuth(GRPC.name, "GRPC", request_headers=("X-One",)),
}
OWN = {"host", "content-length", "authorization"}
"""Always sent over HTTP, beside method and path."""


class Edge:
    """An Envoy with a guarded route each; the heads that the service and the backend got last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.checked: dict[str, str] = {}
        self.reached: dict[str, str] = {}

    async def authorize(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Respond 200 with headers that a backend's request must not get, to all but /denied."""
        self.checked = await self._request(reader)
        status = 403 if "denied" in self.checked["path"] else 200
        extra = "X-User: ann\r\nX-Other: b\r\nHost: forged\r\nUpgrade: h2c\r\nKeep-Alive: 1\r\nTe: trailers\r\n"
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n{extra}\r\nok".encode())
        writer.close()

    async def check(self, request: Any, _: Any) -> Any:
        self.checked = dict(request.attributes.request.http.headers)
        return external_auth_pb2.CheckResponse()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached = await self._request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> dict[str, str]:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        head = {name: value for name, _, value in (one.partition(": ") for one in lines if one)}
        body = await reader.readexactly(int(head.get("content-length", 0)))
        return head | {"path": first.split()[1], "body": body.decode()}

    async def post(self, path: str, body: str = "four") -> int:
        """Send a request with headers of every sort; returns its status."""
        self.checked, self.reached = {}, {}
        reader, writer = await asyncio.open_unix_connection(str(self._folder / "edge-80"))
        lines = [
            f"POST {path} HTTP/1.1", "Host: a.test", f"Content-Length: {len(body)}", "Authorization: b",
            "X-One: 1", "X-Two: 2", "X-User: forged", "Connection: close", "", body,
        ]  # fmt: skip
        writer.write("\r\n".join(lines).encode())
        line = await asyncio.wait_for(reader.readline(), 60)
        writer.close()
        return int(line.split()[1])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("auth")
    found = Edge(folder)
    servers = [
        await asyncio.start_unix_server(serve, str(folder / name))
        for name, serve in (("web", found.serve), ("auth", found.authorize))
    ]
    service = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        found.check,
        external_auth_pb2.CheckRequest.FromString,
        external_auth_pb2.CheckResponse.SerializeToString,
    )
    name = "envoy.service.auth.v3.Authorization"
    service.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Check": handler}),))
    service.add_insecure_port(f"unix:{folder}/grpc")
    await service.start()
    action = Forward((WeightedBackend(WEB.name),))
    routes = tuple(
        Route(RouteName("HTTPRoute", "shop", "web"), Match(PathMatch(PathType.PREFIX, path)), action, auth=auth)
        for path, auth in GUARDS.items()
    )
    clusters = (WEB, AUTH, GRPC)
    endpoints = (Endpoints(one.port, (Endpoint("127.0.0.1", 1),)) for one in clusters)
    listener = Listener(GatewayPort("shop", "edge", 80), 0, (FilterChain("http", HttpChain("t")),))
    try:
        async with envoy_with(folder, [*clusters, *endpoints, listener, VirtualHost("t", "*", routes)]):
            yield found
    finally:
        await service.stop(None)
        for server in servers:
            server.close()


async def test_over_http_only_the_listed_headers_are_sent_beside_those_that_always_are(edge: Edge) -> None:
    assert await edge.post("/http/a?b=c") == 200
    assert edge.checked["path"] == "/check/http/a?b=c"
    assert edge.checked["content-length"] == "0", "of what is sent to it, not of the request"
    assert edge.checked.keys() >= OWN
    assert "x-one" not in edge.checked
    assert await edge.post("/http-list") == 200
    assert (edge.checked.get("x-one"), edge.checked.get("x-two")) == ("1", None)
    assert edge.checked["content-length"] == "0"


async def test_over_grpc_all_headers_are_sent_or_those_listed(edge: Edge) -> None:
    assert await edge.post("/grpc") == 200
    assert {"x-one", "x-two", "authorization"} <= edge.checked.keys()
    assert await edge.post("/grpc-list") == 200
    assert "x-one" in edge.checked
    assert not {"x-two", "authorization"} & edge.checked.keys()


async def test_headers_of_the_response_replace_those_of_the_request_but_never_its_framing(edge: Edge) -> None:
    assert await edge.post("/http") == 200
    assert (edge.reached["x-user"], edge.reached["x-other"]) == ("ann", "b")
    assert (edge.reached["host"], edge.reached["content-length"], edge.reached["body"]) == ("a.test", "4", "four")
    assert not {"upgrade", "keep-alive", "te"} & edge.reached.keys()
    assert await edge.post("/http-list") == 200
    assert (edge.reached["x-user"], edge.reached.get("x-other")) == ("ann", None)
    assert (edge.reached["content-length"], edge.reached["body"]) == ("4", "four")


async def test_a_refused_request_does_not_reach_the_backend(edge: Edge) -> None:
    for path in ("/http/denied", "/http-list/denied", "/http-body/denied"):
        assert (await edge.post(path), edge.reached) == (403, {})


async def test_a_body_is_sent_up_to_its_size_and_a_larger_one_is_refused(edge: Edge) -> None:
    assert await edge.post("/http-body", "0123456789") == 200
    assert (edge.checked["body"], edge.reached["body"]) == ("0123456789", "0123456789")
    assert (await edge.post("/http-body", "0123456789a"), edge.reached) == (413, {})


async def test_all_names_but_these() -> None:
    words = (*FRAMING, "host")
    expressions = [re.compile(one) for one in all_but(words)]
    others = ("", "x", "t", "test", "tex", "hos", "hosts", "h", "content-lengths", "content-lengt", "connection2", "zz")
    found = {one for one in (*words, *others) if any(each.fullmatch(one) for each in expressions)}
    assert found == set(others) - {""}
    assert not any(each.fullmatch(":path") for each in expressions)
