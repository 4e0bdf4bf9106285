"""A real Envoy over all of it: no change, restart or refusal makes a request fail."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio

from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, VIRTUAL_HOST, Key, Resource
from podwire.edge.xds.server import DiscoveryServer
from podwire.pki.certificates import Authority
from tests.edge.xds.real_envoy import (
    DRAIN_SECONDS,
    Backend,
    Envoy,
    cluster,
    endpoints,
    host,
    listener,
    request,
    response,
    routes,
    secret,
    until,
)
from tests.edge.xds.traffic import Traffic

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Edge:
    """One Envoy, its server, and two backends `one` and `two` that a cluster each has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proxies = Proxies(lambda _: None)
        self.server = DiscoveryServer(self.proxies, None)
        settings = bootstrap.Bootstrap("envoy-0", "edge", str(folder / "xds"), 0, str(folder / "admin"))
        self.envoy = Envoy(folder, settings)
        self.backends = [Backend(folder / name) for name in ("one", "two")]

    @property
    def proxy(self) -> Proxy:
        proxy = self.proxies.get("edge")
        assert proxy is not None
        return proxy

    @property
    def socket(self) -> Path:
        return self.folder / "http"

    def base(self) -> list[Resource]:
        """Return a listener with a host of its own answer and one that leads to backend `one`."""
        table = [routes("t"), host("t", "static.test"), host("t", "shop.test", "one")]
        return [*self.cluster("one"), listener("http", self.socket, "t"), *table]

    def cluster(self, name: str, backend: str = "") -> list[Resource]:
        return [cluster(name), endpoints(name, self.folder / (backend or name))]

    async def start(self) -> None:
        for one in self.backends:
            await one.start()
        self.proxies.add("edge", self.base())
        await self.listen()
        self.envoy.start()
        await self.synchronised()

    async def stop(self) -> None:
        self.envoy.kill()
        await self.server.stop()
        for one in self.backends:
            await one.stop()

    async def listen(self) -> None:
        await self.server.start(f"unix:{self.folder}/xds")

    async def restart(self, resources: Iterable[Resource]) -> None:
        """Kill the server; start another one with these resources."""
        await self.server.stop()
        self.proxies.remove("edge")
        self.proxies.add("edge", resources)
        self.server = DiscoveryServer(self.proxies, None)
        await self.listen()
        await self.synchronised()

    async def become(self, resources: Iterable[Resource]) -> None:
        """Change to exactly these resources and wait until Envoy has them."""
        wanted = list(resources)
        gone = {one.key for one in self.proxy.snapshot} - {one.key for one in wanted}
        self.proxy.apply(wanted, gone)
        await self.synchronised(gone)

    async def synchronised(self, gone: Iterable[Key] = ()) -> None:
        removed = [key for key in gone if key[0] in (CLUSTER, LISTENER)]

        def is_synchronised() -> bool:
            keys = [one.key for one in self.proxy.snapshot if not self.proxy.refusal(one.key)]
            return bool(self.proxy.envoys()) and not self.proxy.lacking([*keys, *removed])

        await until(is_synchronised, "Envoy has everything")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    edge = Edge(tmp_path_factory.mktemp("edge"))
    await edge.start()
    yield edge
    await edge.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def edge(module_edge: Edge) -> AsyncIterator[Edge]:
    yield module_edge
    await module_edge.become(module_edge.base())


async def test_a_cold_start_serves(edge: Edge) -> None:
    assert (await request(edge.socket, "static.test"))[0] == 200
    assert await request(edge.socket, "shop.test") == (200, b"one")
    assert (await request(edge.socket, "unknown.test"))[0] == 404


async def test_a_route_is_served_once_it_is_acknowledged(edge: Edge) -> None:
    for number in range(10):
        domain = f"new{number}.test"
        assert (await request(edge.socket, domain))[0] == 404
        await edge.become([*edge.proxy.snapshot, host("t", domain)])
        assert (await request(edge.socket, domain))[0] == 200
    await edge.become(edge.base())
    await until(lambda: not edge.proxy.lacking([(VIRTUAL_HOST, "t/new0.test")]), "the host is removed")
    assert (await request(edge.socket, "new0.test"))[0] == 404


async def test_a_replaced_cluster_fails_no_request(edge: Edge) -> None:
    rest = [one for one in edge.base() if one.name not in ("one", "t/shop.test")]
    async with Traffic(edge.socket, "shop.test") as traffic:
        for number in range(6):
            name, backend = f"c{number}", ("two", "one")[number % 2]
            await edge.become([*rest, *edge.cluster(name, backend), host("t", "shop.test", name)])
            await traffic.more()
            assert await request(edge.socket, "shop.test") == (200, backend.encode())
        assert set(traffic.bodies) == {b"one", b"two"}


async def test_changed_endpoints_fail_no_request(edge: Edge) -> None:
    async with Traffic(edge.socket, "shop.test") as traffic:
        for backend in ("two", "one", "two"):
            await edge.become([*edge.base(), endpoints("one", edge.folder / backend)])
            await traffic.more()
            assert await request(edge.socket, "shop.test") == (200, backend.encode())


async def test_a_changed_cluster_fails_no_request(edge: Edge) -> None:
    async with Traffic(edge.socket, "shop.test") as traffic:
        for seconds in ("2s", "3s", "4s"):
            await edge.become([*edge.base(), cluster("one", connect_timeout=seconds)])
            await traffic.more()


async def test_a_second_listener_and_its_table_come_and_go(edge: Edge) -> None:
    other = edge.folder / "other"
    more = [*edge.cluster("two"), listener("other", other, "u"), routes("u"), host("u", "shop.test", "two")]
    async with Traffic(edge.socket, "shop.test") as traffic:
        for _ in range(2):
            await edge.become([*edge.base(), *more])
            assert await request(other, "shop.test") == (200, b"two")
            edge.proxy.apply([], [one.key for one in more])
            await edge.synchronised([(LISTENER, "other")])
            await traffic.more()


async def test_a_table_without_hosts_serves_404(edge: Edge) -> None:
    empty = edge.folder / "empty"
    await edge.become([*edge.base(), listener("empty", empty, "e"), routes("e")])
    assert (await request(empty, "static.test"))[0] == 404


async def test_one_refused_listener_stops_nothing_else(edge: Edge) -> None:
    bad = listener("bad", edge.folder / "bad", "t", filter_chains=[{"filters": [{"name": "no.such.filter"}]}])
    async with Traffic(edge.socket, "shop.test"):
        edge.proxy.apply([bad, host("t", "good.test"), *edge.cluster("two"), host("t", "two.test", "two")])
        await edge.synchronised()
        await until(lambda: bool(edge.proxy.refusal((LISTENER, "bad"))), "the listener is refused")
        assert "no.such.filter" in edge.proxy.refusal((LISTENER, "bad"))
        assert (await request(edge.socket, "good.test"))[0] == 200
        assert await request(edge.socket, "two.test") == (200, b"two")
        edge.proxy.apply([listener("bad", edge.folder / "bad", "t")])
        await edge.synchronised()
        assert await request(edge.folder / "bad", "shop.test") == (200, b"one")


async def test_of_many_hosts_the_refused_ones_keep_their_last_version(edge: Edge) -> None:
    names = [f"h{number}.test" for number in range(16)]
    await edge.become([*edge.base(), *(host("t", one) for one in names)])
    bad = {names[3], names[11]}
    answer = [{"match": {"prefix": "/"}, "direct_response": {"status": 201}}]
    changed = [host("t", one, routes=answer, domains=[] if one in bad else [one]) for one in names]
    edge.proxy.apply(changed)
    await until(
        lambda: {one for one in names if edge.proxy.refusal((VIRTUAL_HOST, f"t/{one}"))} == bad, "two are refused"
    )
    await edge.synchronised()
    statuses = {one: (await request(edge.socket, one))[0] for one in names}
    assert statuses == {one: 200 if one in bad else 201 for one in names}


async def test_a_server_that_is_killed_fails_no_request(edge: Edge) -> None:
    async with Traffic(edge.socket, "shop.test") as traffic:
        await edge.restart(edge.base())
        await traffic.more()
        sent = edge.proxy.measured.responses
        assert set(sent) <= {"Cluster", "Listener", "VirtualHost"}, "only the empty first response of a wildcard"
        await edge.server.stop()
        await traffic.more()
        changed = [*edge.base(), *edge.cluster("two"), host("t", "shop.test", "two"), host("t", "new.test")]
        await edge.restart([one for one in changed if one.name not in ("one", "t/static.test")])
        assert (await request(edge.socket, "new.test"))[0] == 200
        assert await request(edge.socket, "shop.test") == (200, b"two")
        await until(lambda: not edge.proxy.lacking([(VIRTUAL_HOST, "t/static.test")]), "the old host is removed")
        assert (await request(edge.socket, "static.test"))[0] == 404


async def test_an_envoy_that_is_killed_gets_everything_again(edge: Edge) -> None:
    edge.envoy.kill()
    await until(lambda: not edge.proxy.envoys(), "the stream ends")
    edge.socket.unlink()
    edge.proxy.apply([host("t", "meanwhile.test")])
    edge.envoy.start()
    await edge.synchronised()
    assert (await request(edge.socket, "meanwhile.test"))[0] == 200
    assert await request(edge.socket, "shop.test") == (200, b"one")


async def test_a_rotated_certificate_drops_no_connection(edge: Edge) -> None:
    authority = Authority.create()
    first, second = authority.server(["first.test", "shop.test"]), authority.server(["second.test", "shop.test"])
    socket = edge.folder / "https"
    secure = [*edge.base(), listener("https", socket, "t", secret="web")]
    await edge.become([*secure, secret("web", first.certificate, first.key)])
    trusted = ssl.create_default_context(cadata=authority.pair.certificate.decode())
    async with Traffic(socket, "shop.test", ssl=trusted, server_hostname="shop.test") as traffic:
        reader, writer = await asyncio.open_unix_connection(str(socket), ssl=trusted, server_hostname="first.test")
        await edge.become([*secure, secret("web", second.certificate, second.key)])
        await traffic.more()
        assert await request(socket, "shop.test", ssl=trusted, server_hostname="second.test") == (200, b"one")
        with pytest.raises(ssl.SSLCertVerificationError):
            await request(socket, "shop.test", ssl=trusted, server_hostname="first.test")
        assert await exchange(reader, writer) == (200, b"one")
        writer.close()


async def test_a_removed_listener_serves_its_connections_to_their_end(edge: Edge) -> None:
    other = edge.folder / "drained"
    more = [*edge.cluster("two"), listener("drained", other, "d"), routes("d"), host("d", "shop.test", "two")]
    gone = [(LISTENER, "drained"), (ROUTES, "d"), (VIRTUAL_HOST, "d/shop.test"), (CLUSTER, "two"), (ENDPOINTS, "two")]
    for _ in range(30):
        await edge.become([*edge.base(), *more])
        reader, writer = await asyncio.open_unix_connection(str(other))
        assert await exchange(reader, writer) == (200, b"two"), "the connection is accepted"
        begun = time.monotonic()
        edge.proxy.apply([], gone)
        try:
            await until(lambda: not edge.proxy.lacking(gone[:1]), "the listener is removed")
            assert await exchange(reader, writer) == (200, b"two")
            break
        except (OSError, asyncio.IncompleteReadError):
            assert time.monotonic() - begun >= DRAIN_SECONDS, "Envoy closes connections at the end of this time"
        finally:
            writer.close()
    else:
        pytest.fail("30 times there was no request within the time of a drain")
    await until(lambda: not edge.proxy.lacking(gone), "all of it is removed")


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bytes]:
    """Send a request on this connection; returns status and body."""
    writer.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
    return await response(reader)
