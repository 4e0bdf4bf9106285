"""Each option of a proxy has its effect in a real Envoy."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import msgspec
import pytest
import pytest_asyncio

from podwire.edge.model.backends import Cluster, Endpoint, Endpoints, ServicePort, Transport, WeightedBackend
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener, LogFormat, ProxyOptions
from podwire.edge.model.matches import Match, PathMatch, PathType
from podwire.edge.model.routes import Forward, Route, RouteName, VirtualHost
from podwire.edge.model.tls import Authorities, Certificate, ClientValidation, ServerTls
from podwire.edge.model.tracing import Collector, CollectorKind, Tracing
from podwire.pki.certificates import Authority
from tests.edge.envoy.unix_sockets import envoy_with
from tests.edge.xds.real_envoy import Envoy, request, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEB = Cluster(ServicePort("shop", "web", 80), Transport.HTTP1)
OTLP, ZIPKIN = Collector(CollectorKind.OTLP, "otlp", 4317), Collector(CollectorKind.ZIPKIN, "zipkin", 9411)
LIMIT = 1000
OPTIONS = {
    80: ProxyOptions(),
    81: ProxyOptions(max_request_bytes=LIMIT),
    82: ProxyOptions(tracing=Tracing(OTLP, 100)),
    83: ProxyOptions(tracing=Tracing(ZIPKIN, 100)),
    84: ProxyOptions(trusted_hops=1, access_log=LogFormat.NONE),
    85: ProxyOptions(proxy_protocol=True, access_log=LogFormat.TEXT),
}
STRICT, LAX, SILENT = 443, 8443, 9443
AUTHORITY, CLIENTS = Authority.create("servers"), Authority.create("clients")
SECURE = ServerTls(("Secret/shop/tls",), "ConfigMap/shop/clients")
HOST = "a.example.org"


def route(path: str, name: str, *, is_grpc: bool = False) -> Route:
    match = Match(PathMatch(PathType.PREFIX, path), is_grpc=is_grpc)
    return Route(
        RouteName("GRPCRoute" if is_grpc else "HTTPRoute", "shop", name), match, Forward((WeightedBackend(WEB.name),))
    )


def wanted() -> list[Any]:
    issued = AUTHORITY.server((HOST,))
    pair = Certificate("Secret/shop/tls", issued.certificate.decode(), issued.key.decode())
    bundle = Authorities("ConfigMap/shop/clients", CLIENTS.pair.certificate.decode())
    plain = [
        Listener(GatewayPort("shop", "edge", port), port, (FilterChain("http", HttpChain("t")),), options=options)
        for port, options in OPTIONS.items()
    ]
    forwarding = ProxyOptions(forwards_client_certificate=True)
    secure = [
        Listener(
            GatewayPort("shop", "edge", port), port, (FilterChain("https", HttpChain("t"), (), tls),), options=options
        )
        for port, tls, options in (
            (STRICT, SECURE, forwarding),
            (LAX, msgspec.structs.replace(SECURE, validation=ClientValidation.OPTIONAL), forwarding),
            (SILENT, SECURE, ProxyOptions()),
        )
    ]
    routes = (route("/grpc", "stream", is_grpc=True), route("/", "web"))
    endpoints = Endpoints(WEB.port, (Endpoint("127.0.0.1", 1),))
    host = VirtualHost("t", "*", routes)
    return [pair, bundle, OTLP, ZIPKIN, WEB, endpoints, *plain, *secure, host]


class Backend:
    """A backend on a unix socket that returns the head of each request and the length of its body."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).lower():
                if b"upgrade: websocket" in head:
                    writer.write(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                    while data := await reader.read(4096):
                        writer.write(data)
                    return
                length = int((re.findall(rb"content-length: ([0-9]+)", head) or [b"0"])[0])
                await reader.readexactly(length)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Edge(msgspec.Struct):
    """An Envoy with all options, and what collectors received."""

    folder: Path
    envoy: Envoy
    spans: list[bytes]

    async def get(self, port: int, *headers: str, path: str = "/", before: bytes = b"") -> tuple[int, str]:
        """Send one request; returns status and the whole response."""
        reader, writer = await asyncio.open_unix_connection(str(self.folder / f"edge-{port}"))
        lines = [f"GET {path} HTTP/1.1", f"Host: {HOST}", "Connection: close", *headers]
        writer.write(before + "\r\n".join([*lines, "", ""]).encode())
        text = (await asyncio.wait_for(reader.read(), 30)).decode()
        writer.close()
        return int(text.split()[1]), text

    async def with_certificate(self, port: int, user: str) -> str:
        """Return what the backend got of a client with a certificate, or an empty text."""
        context = ssl.create_default_context(cadata=AUTHORITY.pair.certificate.decode())
        pair = CLIENTS.client(user)
        for name, content in (("client.crt", pair.certificate), ("client.key", pair.key)):
            (self.folder / name).write_bytes(content)
        context.load_cert_chain(self.folder / "client.crt", self.folder / "client.key")
        status, body = await request(self.folder / f"edge-{port}", HOST, ssl=context, server_hostname=HOST)
        assert status == 200
        return body.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("options")
    spans: list[bytes] = []

    async def export(sent: bytes, _: Any) -> bytes:
        spans.append(sent)
        return b""

    async def zipkin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:size]
        spans.append(head + body)
        writer.write(b"HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n")

    otlp = grpc.aio.server()
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    otlp.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    otlp.add_insecure_port(f"unix:{folder}/otlp")
    await otlp.start()
    backend = await asyncio.start_unix_server(Backend().serve, str(folder / "web"))
    collector = await asyncio.start_unix_server(zipkin, str(folder / "zipkin"))
    try:
        async with envoy_with(folder, wanted()) as (envoy, _):
            yield Edge(folder, envoy, spans)
    finally:
        await otlp.stop(None)
        backend.close()
        collector.close()


async def test_a_body_over_the_limit_is_refused_before_the_backend_gets_it(edge: Edge) -> None:
    async def post(port: int, size: int, path: str = "/", content: str = "text/plain") -> int:
        reader, writer = await asyncio.open_unix_connection(str(edge.folder / f"edge-{port}"))
        lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Content-Type: {content}", f"Content-Length: {size}"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + bytes(size))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        writer.close()
        return int(head.split()[1])

    assert [await post(81, LIMIT), await post(81, LIMIT + 1), await post(80, LIMIT + 1)] == [200, 413, 200]
    assert await post(81, LIMIT + 1, "/grpc/x", "application/grpc") == 200, "a GRPCRoute's requests are streams"


async def test_a_chunked_body_over_the_limit_is_refused_too(edge: Edge) -> None:
    reader, writer = await asyncio.open_unix_connection(str(edge.folder / "edge-81"))
    chunk = f"{LIMIT:x}\r\n".encode() + bytes(LIMIT) + b"\r\n"
    writer.write(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunk * 2)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    writer.close()
    assert int(head.split()[1]) == 413


@pytest.mark.parametrize("port", [80, 81])
async def test_a_websocket_is_not_buffered(edge: Edge, port: int) -> None:
    reader, writer = await asyncio.open_unix_connection(str(edge.folder / f"edge-{port}"))
    writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    assert int(head.split()[1]) == 101
    writer.write(bytes(LIMIT * 2))
    assert await asyncio.wait_for(reader.readexactly(LIMIT * 2), 30) == bytes(LIMIT * 2)
    writer.close()


@pytest.mark.parametrize(
    ("port", "marks"),
    [
        (82, (b"service.name", b"edge.shop", b"http.status_code")),
        (83, (b"post /api/v2/spans", b'"serviceName":"edge', b'"http.status_code":"200"')),
    ],
)
async def test_a_collector_receives_spans(edge: Edge, port: int, marks: tuple[bytes, ...]) -> None:
    edge.spans.clear()
    await edge.get(80)
    for _ in range(5):  # as many are sent at once; fewer after five seconds
        assert (await edge.get(port))[0] == 200
    await until(lambda: bool(edge.spans), "a span", 60)
    assert [one for one in marks if one.lower() not in b"".join(edge.spans).lower()] == []


async def test_only_a_trusted_proxys_forwarded_address_is_believed(edge: Edge) -> None:
    forged = "X-Forwarded-For: 192.0.2.1, 192.0.2.2"
    _, text = await edge.get(84, forged)
    assert "x-envoy-external-address: 192.0.2.2" in text, "the one that the trusted proxy added"
    _, text = await edge.get(80, forged)
    assert "x-envoy-external-address: 192.0.2" not in text


async def test_a_proxy_header_names_the_client(edge: Edge) -> None:
    _, text = await edge.get(85, before=b"PROXY TCP4 192.0.2.7 192.0.2.8 1000 80\r\n")
    assert "x-forwarded-for: 192.0.2.7" in text
    with pytest.raises((IndexError, ConnectionError)):  # there is no response
        await edge.get(85)


async def test_backends_get_certificates_of_clients_only_where_it_is_wanted(edge: Edge) -> None:
    strict = await edge.with_certificate(STRICT, "ann")
    assert 'subject="cn=ann"' in strict
    assert "cert=" in strict
    lax = await edge.with_certificate(LAX, "ann")
    assert "cert=" in lax
    assert "subject=" not in lax, "a name that nobody has verified"
    assert "x-forwarded-client-cert" not in await edge.with_certificate(SILENT, "ann")


async def test_a_request_is_logged_with_its_objects_and_cannot_forge_a_line(edge: Edge) -> None:
    agent = 'a"}\\x {"b":1'
    await edge.get(80, f"User-Agent: {agent}", path="/logged?%0a%22")
    await edge.get(84, path="/silent")

    def lines() -> list[dict[str, Any]]:
        found = [json.loads(one) for one in edge.envoy.access_log() if one.startswith("{")]
        return [one for one in found if str(one["path"]).startswith(("/logged", "/silent"))]

    await until(lambda: bool(lines()), "a line", 30)
    (line,) = lines()
    assert (line["gateway"], str(line["port"]), line["status"]) == ("shop/edge", "80", 200)
    assert line["route"] == "httproute/shop/web/rule/0/match/0"
    assert line["cluster"] == WEB.name
    assert line["path"] == "/logged?%0a%22"
    assert line["user_agent"] == agent


async def test_requests_are_counted_by_gateway_route_backend_and_code(edge: Edge) -> None:
    await edge.get(80, path="/counted")
    await edge.get(80, "x_under: 1")
    tags = {"gateway": "shop/edge", "port": "80", "backend": WEB.name, "code": "200"}
    expected = {**tags, "route": "httproute/shop/web/rule/0/match/0"}

    async def counted() -> bool:
        _, body = await request(edge.envoy.admin, "envoy", "/stats/prometheus?filter=^gateway")
        found = [
            dict(re.findall(r'(\w+)="([^"]*)"', line))
            for line in body.decode().splitlines()
            if line.startswith("envoy_gateway_requests{")
        ]
        return expected in found and any(one["route"] == "" and one["code"] == "400" for one in found)

    deadline = asyncio.get_running_loop().time() + 30
    while not await counted():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
