"""Rows of the model in a real Envoy: nothing is refused, and requests get what the rows say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2

from podwire.edge.envoy import rows
from podwire.edge.model.backends import Cluster, Endpoint, Endpoints, ServicePort, Transport, WeightedBackend
from podwire.edge.model.filters import (
    Cors,
    ExternalAuth,
    Header,
    HeaderChanges,
    Mirror,
    Redirect,
    Retry,
    Rewrite,
    SessionPersistence,
    Timeouts,
)
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener, StreamChain
from podwire.edge.model.matches import Match, PathMatch, PathType, ValueMatch, ValueType
from podwire.edge.model.routes import (
    Answer,
    Forward,
    RedirectTo,
    Route,
    RouteName,
    StreamRoute,
    VirtualHost,
)
from podwire.edge.model.tls import (
    Authorities,
    BackendTls,
    Certificate,
    ClientValidation,
    ServerTls,
    SubjectName,
)
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer
from podwire.pki.certificates import Authority
from tests.edge.xds.real_envoy import Envoy, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = Cluster(ServicePort("shop", "web", 80), Transport.HTTP1)
SHOP_RETRIED = msgspec.structs.replace(SHOP, has_own_retries=True)
HALF = Cluster(ServicePort("shop", "half", 80), Transport.HTTP1)
"""Its second endpoint refuses connections."""
HALF_RETRIED = msgspec.structs.replace(HALF, has_own_retries=True)
NAME = RouteName("HTTPRoute", "shop", "web")


def route(path: str, action: Forward | Answer | RedirectTo, **given: object) -> Route:
    return msgspec.structs.replace(Route(NAME, Match(PathMatch(PathType.PREFIX, path)), action), **given)


def forward(*backends: WeightedBackend, **given: object) -> Forward:
    return msgspec.structs.replace(Forward(backends or (WeightedBackend(SHOP.name),)), **given)


def port(number: int, protocol: str = "TCP") -> GatewayPort:
    return GatewayPort("shop", "edge", number, protocol)


STREAM = StreamRoute(NAME, (WeightedBackend("shop/web/80/tcp", 3), WeightedBackend("", 1)))
ROUTES = (
    route("/plain", forward()),
    route("/rewritten/all", forward(rewrite=Rewrite(hostname="other.test", full_path="/whole"))),
    route("/to-root", forward(rewrite=Rewrite(prefix="/"))),
    route("/to-prefix", forward(rewrite=Rewrite(prefix="/xyz/"))),
    route("/redirected", RedirectTo(Redirect(scheme="https", port=443, prefix="/r", status=308))),
    route("/moved", RedirectTo(Redirect(hostname="moved.test", port=8080, full_path="/there", status=301))),
    route("/answered", Answer(418, "tea")),
    route("/nowhere", forward(WeightedBackend("", 1))),
    route("/mostly-nowhere", forward(WeightedBackend("", 1_000_000), WeightedBackend(SHOP.name, 1))),
    route(
        "/headers",
        forward(),
        request_headers=HeaderChanges(
            (Header("x-set", "100%"), Header("Host", "set.test")), (Header("x-add", "two"),), ("x-gone",)
        ),
    ),
    route("/cors-one", forward(), cors=Cors(("https://one.test",), ("GET",), (), (), False, 60)),
    route("/cors", forward(), cors=Cors(("https://*.bar.test", "*"), ("*",), ("*",), ("x-a", "x-b"), True, 60)),
    route("/slow", forward(timeouts=Timeouts(request=0.2))),
    route("/slow-try", forward(WeightedBackend(SHOP_RETRIED.name), timeouts=Timeouts(backend=0.2))),
    route(
        "/tried",
        forward(WeightedBackend(SHOP_RETRIED.name), retry=Retry(2, (500,), 0.001), mirrors=(Mirror(SHOP.name, 1, 4),)),
    ),
    route("/half", forward(WeightedBackend(HALF.name))),
    route("/half-timed", forward(WeightedBackend(HALF_RETRIED.name), timeouts=Timeouts(backend=5))),
    route("/half-once", forward(WeightedBackend(HALF_RETRIED.name), retry=Retry(1, (500,), 0.001))),
    route("/session", forward(session=SessionPersistence("Cookie", "s", 60))),
    route("/guarded", forward(), auth=ExternalAuth(SHOP.name, "HTTP", "/check", ("x-sent",), ("x-user",))),
    route("/guarded-answer", Answer(200, "secret"), auth=ExternalAuth(SHOP.name, "HTTP", "/check")),
    route("/unguarded", forward(), auth=ExternalAuth("", "HTTP")),
    route("/guard-fails", forward(), auth=ExternalAuth("shop/none/1/http1", "HTTP")),
    route("/grpc-guard-fails", forward(), auth=ExternalAuth("shop/none/1/h2c", "GRPC", max_body=100)),
    route("/session-header", forward(session=SessionPersistence("Header", "x-s"))),
)
HOSTS = (
    VirtualHost("t", "shop.test", ROUTES),
    VirtualHost("t", "*.wild.test", (route("/", Answer(200, "wild")),)),
    VirtualHost("t", "elsewhere.test", misdirected=True),
)


def wanted(folder: Path, authority: Authority) -> list[Resource]:
    """Every kind of row; the listener and the endpoints that requests pass are moved to unix sockets."""
    issued = authority.server(("shop.test",))
    pair = Certificate("secret/shop/tls", issued.certificate.decode(), issued.key.decode())
    bundle = Authorities("configmap/shop/ca", authority.pair.certificate.decode())
    chosen = ServerTls((pair.name,), bundle.name, ClientValidation.OPTIONAL, minimum="1.2")
    secured = BackendTls("shop.test", bundle.name, (SubjectName("URI", "spiffe://a/b"),), pair.name, "1")
    chains = (
        FilterChain("https", HttpChain("t"), (), chosen),
        FilterChain("tcp", StreamChain(STREAM), ("*.tcp.test",), ServerTls((pair.name,))),
        FilterChain("passed", StreamChain(STREAM), ("passed.test",)),
    )
    listeners = (
        Listener(port(80), 0, (FilterChain("http", HttpChain("t")),)),
        Listener(port(443), 0, chains, inspects_tls=True),
        Listener(port(5432), 0, (FilterChain("tcp", StreamChain(None)),)),
        Listener(port(53, "UDP"), 0, (FilterChain("udp", StreamChain(STREAM)),)),
    )
    clusters: tuple[Cluster, ...] = (
        SHOP,
        *(msgspec.structs.replace(SHOP, transport=one) for one in (Transport.H2C, Transport.TCP, Transport.UDP)),
        msgspec.structs.replace(SHOP, tls=secured, is_sticky=True),
        msgspec.structs.replace(SHOP, tls=BackendTls("shop.test", version="2")),
    )
    found = Endpoints(SHOP.port, (Endpoint("127.0.0.1", 1),))
    half = Endpoints(HALF.port, (Endpoint("127.0.0.1", 1), Endpoint("127.0.0.1", 2)))
    everything: list[rows.Row] = [
        pair,
        bundle,
        *clusters,
        SHOP_RETRIED,
        HALF,
        HALF_RETRIED,
        found,
        half,
        *listeners,
        *HOSTS,
    ]
    return [moved(one, folder) for row in everything for one in rows.resources(row)]


def moved(one: Resource, folder: Path) -> Resource:
    """Put the plain listener and its backend on unix sockets."""
    if one.key == (LISTENER, str(port(80))):
        listener = listener_pb2.Listener.FromString(one.body)
        listener.address.pipe.path = str(folder / "http")
        return msgspec.structs.replace(one, body=listener.SerializeToString())
    if one.type_url == ENDPOINTS:
        found = endpoint_pb2.ClusterLoadAssignment.FromString(one.body)
        found.endpoints[0].lb_endpoints[0].endpoint.address.pipe.path = str(folder / "web")
        return msgspec.structs.replace(one, body=found.SerializeToString())
    return one


class Echo:
    """A backend that returns the head of each request; `/tried` fails twice, `/slow` waits, `/check` authorizes."""

    def __init__(self) -> None:
        self.tries = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                status = 200
                if head.startswith(b"GET /tried"):
                    self.tries += 1
                    status = 500 if self.tries < 3 else 200
                extra = b""
                if head.startswith(b"GET /check"):
                    status, extra = (200, b"x-user: checked\r\n") if b"x-sent: permit" in head else (403, b"")
                if head.startswith(b"GET /slow"):
                    await asyncio.sleep(1)
                length = b"Content-Length: %d\r\n" % len(head)
                writer.write(b"HTTP/1.1 %d X\r\n%b%b\r\n%b" % (status, extra, length, head))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class Edge:
    """An Envoy that has all rows."""

    def __init__(self, folder: Path, proxy: Proxy) -> None:
        self.folder = folder
        self.proxy = proxy

    async def get(self, path: str, *headers: str, host: str = "shop.test", method: str = "GET") -> tuple[int, str]:
        """Send one request; returns status and the whole response, in lower case."""
        reader, writer = await asyncio.open_unix_connection(str(self.folder / "http"))
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        text = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode().lower()
        length = text.partition("content-length: ")[2].partition("\r\n")[0]
        text += (await reader.readexactly(int(length or 0))).decode().lower()
        writer.close()
        return int(text.split()[1]), text


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("envoy")
    proxies = Proxies(lambda _: None)
    proxy = proxies.add("edge", wanted(folder, Authority.create("test")))
    server = DiscoveryServer(proxies, None)
    await server.start(f"unix:{folder}/xds")
    backend = await asyncio.start_unix_server(Echo().serve, str(folder / "web"))
    envoy = Envoy(folder, bootstrap.Bootstrap("envoy-0", "edge", str(folder / "xds"), 0, str(folder / "admin")))
    envoy.start()
    try:
        keys = [one.key for one in proxy.snapshot]
        await until(
            lambda: bool(proxy.envoys()) and not proxy.lacking([key for key in keys if not proxy.refusal(key)]), "all"
        )
        yield Edge(folder, proxy)
    finally:
        envoy.kill()
        await server.stop()
        backend.close()


async def test_no_row_is_refused(edge: Edge) -> None:
    assert {one.key: edge.proxy.refusal(one.key) for one in edge.proxy.snapshot if edge.proxy.refusal(one.key)} == {}


@pytest.mark.parametrize(
    ("path", "sent", "host"),
    [
        ("/plain/a?q=1", "get /plain/a?q=1 http", "shop.test"),
        ("/rewritten/all?q=1", "get /whole?q=1 http", "other.test"),
        ("/to-root/a", "get /a http", "shop.test"),
        ("/to-root", "get / http", "shop.test"),
        ("/to-prefix/a", "get /xyz/a http", "shop.test"),
        ("/to-prefix", "get /xyz http", "shop.test"),
    ],
)
async def test_paths_and_hosts_are_rewritten(edge: Edge, path: str, sent: str, host: str) -> None:
    status, text = await edge.get(path)
    assert status == 200
    assert sent in text
    assert f"host: {host}" in text


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/redirected/a?q=1", 308, "https://shop.test/r/a?q=1"),
        ("/moved/a", 301, "http://moved.test:8080/there"),
    ],
)
async def test_redirects(edge: Edge, path: str, status: int, location: str) -> None:
    found, text = await edge.get(path)
    assert found == status
    assert f"location: {location}\r\n" in text


async def test_a_share_without_backend_is_500_and_of_grpc_unavailable(edge: Edge) -> None:
    assert (await edge.get("/nowhere"))[0] == 500
    assert (await edge.get("/mostly-nowhere"))[0] == 500
    assert (await edge.get("/answered"))[0] == 418
    assert (await edge.get("/other"))[0] == 404
    made = rows.resources(VirtualHost("t", "g.test", (route("/", forward(WeightedBackend(""))),)))
    grpc = Match(PathMatch(PathType.EXACT, "/a/b"), headers=(ValueMatch("x", ValueType.ABSENT),), is_grpc=True)
    other = rows.resources(VirtualHost("t", "g.test", (Route(NAME, grpc, forward(WeightedBackend(""))),)))
    assert b"\xf4\x03" in made[0].body, "status 500 as a varint"
    assert b"\xf7\x03" in other[0].body, "status 503, which Envoy makes UNAVAILABLE"


async def test_hosts_are_wildcards_with_any_port_and_may_be_misdirected(edge: Edge) -> None:
    assert (await edge.get("/", host="a.b.wild.test"))[0] == 200
    assert (await edge.get("/", host="wild.test"))[0] == 404
    assert (await edge.get("/plain", host="shop.test:1234"))[0] == 200
    assert (await edge.get("/plain", host="elsewhere.test"))[0] == 421
    assert (await edge.get("/plain", host="elsewhere.test."))[0] == 421, "the same name, written in full"
    assert (await edge.get("/plain", host="shop.test.:1234"))[0] == 200


async def test_headers_are_set_added_and_removed(edge: Edge) -> None:
    _, text = await edge.get("/headers", "x-set: old", "x-add: one", "x-gone: 1")
    sent = text.partition("\r\n\r\n")[2]
    assert "x-set: 100%\r\n" in sent
    assert "x-add: one\r\n" in sent
    assert "x-add: two\r\n" in sent
    assert "x-gone" not in sent
    assert "host: set.test" in sent


async def test_a_preflight_gets_what_it_requested(edge: Edge) -> None:
    requested = ("Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-1, x-2")
    status, text = await edge.get("/cors", "Origin: https://a.b.bar.test", *requested, method="OPTIONS")
    assert status == 200
    for line in (
        "access-control-allow-origin: https://a.b.bar.test",
        "access-control-allow-methods: put",
        "access-control-allow-headers: x-1, x-2",
        "access-control-expose-headers: x-a, x-b",
        "access-control-allow-credentials: true",
        "access-control-max-age: 60",
    ):
        assert f"{line}\r\n" in text


async def test_a_preflight_of_another_origin_is_answered_without_permission(edge: Edge) -> None:
    requested = "Access-Control-Request-Method: GET"
    assert (
        "access-control-allow-origin: https://one.test\r\n"
        in (await edge.get("/cors-one", "Origin: https://one.test", requested, method="OPTIONS"))[1]
    )
    status, text = await edge.get("/cors-one", "Origin: https://two.test", requested, method="OPTIONS")
    assert status == 200
    assert "access-control-allow-origin" not in text
    assert "options /cors-one" not in text, "the backend repeats what it received"


async def test_times_are_limited_and_failures_tried_again(edge: Edge) -> None:
    assert (await edge.get("/slow"))[0] == 504
    assert (await edge.get("/slow-try"))[0] == 504
    assert (await edge.get("/tried"))[0] == 200


async def test_a_session_is_kept_by_a_cookie_or_a_header(edge: Edge) -> None:
    assert "set-cookie: s=" in (await edge.get("/session"))[1]
    assert "x-s: " in (await edge.get("/session-header"))[1]


async def test_an_authorization_service_lets_requests_through_or_refuses_them(edge: Edge) -> None:
    status, text = await edge.get("/guarded/a?q=1", "x-permit: yes", "x-sent: permit", "x-user: forged")
    assert status == 200
    assert "x-user: checked" in text, "the header of the service"
    assert "forged" not in text
    assert (await edge.get("/guarded/a", "x-sent: no"))[0] == 403
    assert (await edge.get("/guarded-answer", "x-sent: permit"))[0] == 403, "this route names no further header"


async def test_no_request_passes_without_its_authorization_service(edge: Edge) -> None:
    for path in ("/unguarded", "/guard-fails", "/grpc-guard-fails"):
        assert (await edge.get(path))[0] == 500


async def test_what_a_client_forges_does_not_reach_the_backend(edge: Edge) -> None:
    status, text = await edge.get("//plain//a/../b", "x-forwarded-for: 10.9.9.9", "x-envoy-original-path: /forged")
    assert status == 200
    assert "get /plain/b http" in text
    assert "forged" not in text
    assert (await edge.get("/plain", "x_under: 1"))[0] == 400
    assert (await edge.get("/plain%2fb"))[0] == 307


async def test_a_request_that_no_backend_has_seen_is_tried_at_another_endpoint(edge: Edge) -> None:
    for path in ("/half", "/half-timed"):
        assert {(await edge.get(path, method="POST"))[0] for _ in range(25)} == {200}
    assert 503 in {(await edge.get("/half-once"))[0] for _ in range(25)}, "a route with its own retries has no others"
