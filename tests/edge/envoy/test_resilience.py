"""Limits, budgets, outliers, priorities, faults and rates in a real Envoy: for each what it refuses, and what not."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2

from podwire.edge.envoy import rows
from podwire.edge.model.backends import Cluster, Endpoint, Endpoints, ServicePort, Transport, WeightedBackend
from podwire.edge.model.filters import Rate, RateLimit, Retry
from podwire.edge.model.listeners import FilterChain, GatewayPort, HttpChain, Listener
from podwire.edge.model.matches import Match
from podwire.edge.model.resilience import Abort, Delay, Fault, Limits, OutlierDetection, Resilience, RetryBudget
from podwire.edge.model.routes import Forward, Route, RouteName, VirtualHost
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import ENDPOINTS, LISTENER, Resource
from podwire.edge.xds.server import DiscoveryServer
from tests.edge.xds.real_envoy import Envoy, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOD, BAD, SLOW, ALTERNATING = 1, 2, 3, 4
"""Backends: 200; 503; 200 when the test lets it; 500 and 200 in turns."""
PORT = GatewayPort("shop", "edge", 80)
FAST = OutlierDetection(errors=2, interval=0.05, ejection=300, most_percent=100)
ONCE = Resilience(limits=Limits(requests=1))
RETRIED = Retry(2, (500,), 0.001)

CASES: dict[str, tuple[tuple[Endpoint, ...], Resilience, dict[str, object]]] = {
    "limited": ((Endpoint("127.0.0.1", SLOW),), ONCE, {}),
    "free": ((Endpoint("127.0.0.1", SLOW),), Resilience(), {}),
    "ejecting": ((Endpoint("127.0.0.1", GOOD), Endpoint("127.0.0.1", BAD)), Resilience(outliers=FAST), {}),
    "keeping": ((Endpoint("127.0.0.1", GOOD), Endpoint("127.0.0.1", BAD)), Resilience(), {}),
    "calm": ((Endpoint("127.0.0.1", BAD),), Resilience(outliers=FAST, panic_percent=0), {}),
    "panicking": ((Endpoint("127.0.0.1", BAD),), Resilience(outliers=FAST, panic_percent=50), {}),
    "no-budget": ((Endpoint("127.0.0.1", ALTERNATING),), Resilience(budget=RetryBudget(0, 0)), {"retry": RETRIED}),
    "budget": ((Endpoint("127.0.0.1", ALTERNATING),), Resilience(budget=RetryBudget(20, 3)), {"retry": RETRIED}),
    "no-retries": ((Endpoint("127.0.0.1", ALTERNATING),), Resilience(limits=Limits(retries=0)), {"retry": RETRIED}),
    "near": ((Endpoint("127.0.0.1", GOOD), Endpoint("127.0.0.1", BAD, priority=1)), Resilience(), {}),
    "far": ((Endpoint("127.0.0.1", BAD), Endpoint("127.0.0.1", GOOD, priority=7)), Resilience(outliers=FAST), {}),
    "aborted": ((Endpoint("127.0.0.1", GOOD),), Resilience(), {"fault": Fault(abort=Abort(418))}),
    "half-aborted": ((Endpoint("127.0.0.1", GOOD),), Resilience(), {"fault": Fault(abort=Abort(418, percent=50))}),
    "grpc-aborted": ((Endpoint("127.0.0.1", GOOD),), Resilience(), {"fault": Fault(abort=Abort(grpc_status=14))}),
    "delayed": ((Endpoint("127.0.0.1", GOOD),), Resilience(), {"fault": Fault(delay=Delay(0.3))}),
    "rated": ((Endpoint("127.0.0.1", GOOD),), Resilience(), {"rate": RateLimit((Rate(1, 3600, 3),), (), 429, False)}),
}


def rows_of(name: str) -> list[rows.Row]:
    endpoints, resilience, given = CASES[name]
    cluster = Cluster(
        ServicePort("shop", name, 80), Transport.HTTP1, has_own_retries="retry" in given, resilience=resilience
    )
    retry = given.get("retry")
    assert retry is None or isinstance(retry, Retry)
    action = Forward((WeightedBackend(cluster.name),), retry=retry)
    host = VirtualHost("t", name, (Route(RouteName("HTTPRoute", "shop", name), Match(), action),))
    filters = {one: value for one, value in given.items() if one != "retry"}
    return [cluster, Endpoints(cluster.port, endpoints), msgspec.structs.replace(host, **filters)]


def moved(one: Resource, folder: Path) -> Resource:
    """Put the listener and the backends on unix sockets."""
    if one.type_url == LISTENER:
        listener = listener_pb2.Listener.FromString(one.body)
        listener.address.pipe.path = str(folder / "http")
        return msgspec.structs.replace(one, body=listener.SerializeToString())
    if one.type_url == ENDPOINTS:
        found = endpoint_pb2.ClusterLoadAssignment.FromString(one.body)
        for each in (address for locality in found.endpoints for address in locality.lb_endpoints):
            number = each.endpoint.address.socket_address.port_value
            each.endpoint.address.pipe.path = str(folder / f"backend-{number}")
        return msgspec.structs.replace(one, body=found.SerializeToString())
    return one


class Backends:
    """All backends; `open` lets the slow one respond."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.waiting = 0
        self._turns = 0

    async def serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                status = 503 if number == BAD else 200
                if number == SLOW:
                    self.waiting += 1
                    await self.open.wait()
                if number == ALTERNATING:
                    self._turns += 1
                    status = 500 if self._turns % 2 else 200
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 7\r\n\r\nbackend" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class Edge:
    """An Envoy with a virtual host for each case."""

    def __init__(self, folder: Path, proxy: Proxy, backends: Backends) -> None:
        self.folder = folder
        self.proxy = proxy
        self.backends = backends

    async def get(self, host: str, *headers: str) -> tuple[int, str]:
        """Send one request; returns status and the whole response, in lower case."""
        reader, writer = await asyncio.open_unix_connection(str(self.folder / "http"))
        lines = ["GET / HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        text = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode().lower()
        length = text.partition("content-length: ")[2].partition("\r\n")[0]
        text += (await reader.readexactly(int(length or 0))).decode().lower()
        writer.close()  # Envoy waits a second before it closes a connection after a response of its own
        return int(text.split()[1]), text

    async def settled(self, host: str) -> None:
        """Return when twenty requests one after the other are 200: Envoy ejects beside the requests."""
        async with asyncio.timeout(60):
            while (await self.statuses(host, 20)) != {200: 20}:
                pass

    async def statuses(self, host: str, number: int) -> Counter[int]:
        return Counter([(await self.get(host))[0] for _ in range(number)])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("envoy")
    proxies, backends = Proxies(lambda _: None), Backends()
    wanted: list[rows.Row] = [Listener(PORT, 0, (FilterChain("http", HttpChain("t")),))]
    wanted += [row for name in CASES for row in rows_of(name)]
    proxy = proxies.add("edge", [moved(one, folder) for row in wanted for one in rows.resources(row)])
    server = DiscoveryServer(proxies, None)
    await server.start(f"unix:{folder}/xds")
    servers = [
        await asyncio.start_unix_server(
            lambda reader, writer, number=number: backends.serve(number, reader, writer),  # type: ignore[misc]
            str(folder / f"backend-{number}"),
        )
        for number in (GOOD, BAD, SLOW, ALTERNATING)
    ]
    envoy = Envoy(folder, bootstrap.Bootstrap("envoy-0", "edge", str(folder / "xds"), 0, str(folder / "admin")))
    envoy.start()
    try:
        keys = [one.key for one in proxy.snapshot]
        await until(
            lambda: bool(proxy.envoys()) and not proxy.lacking([key for key in keys if not proxy.refusal(key)]), "all"
        )
        yield Edge(folder, proxy, backends)
    finally:
        envoy.kill()
        await server.stop()
        for one in servers:
            one.close()


async def test_no_row_is_refused(edge: Edge) -> None:
    assert {one.key: edge.proxy.refusal(one.key) for one in edge.proxy.snapshot if edge.proxy.refusal(one.key)} == {}


@pytest.mark.parametrize(("host", "second"), [("limited", 503), ("free", 200)])
async def test_a_request_over_the_limit_is_refused_at_once(edge: Edge, host: str, second: int) -> None:
    edge.backends.open.clear()
    edge.backends.waiting = 0
    first = asyncio.create_task(edge.get(host))
    await until(lambda: edge.backends.waiting == 1, "the first request is under way")
    other = asyncio.create_task(edge.get(host))
    await until(lambda: other.done() or edge.backends.waiting == 2, "the second is refused or under way")
    edge.backends.open.set()
    assert ((await first)[0], (await other)[0]) == (200, second)


async def test_an_endpoint_that_fails_is_ejected_with_outlier_detection_only(edge: Edge) -> None:
    await edge.settled("ejecting")
    assert (await edge.statuses("keeping", 60))[503] > 10


async def test_without_healthy_endpoints_all_get_requests_in_a_panic_only(edge: Edge) -> None:
    await edge.statuses("panicking", 4)
    async with asyncio.timeout(60):
        while "no healthy upstream" not in (await edge.get("calm"))[1]:
            pass
    assert (await edge.get("panicking"))[1].endswith("backend")


async def test_a_budget_allows_so_many_retries(edge: Edge) -> None:
    assert (await edge.statuses("budget", 10)) == {200: 10}
    assert (await edge.statuses("no-budget", 10)) == {200: 5, 500: 5}
    assert (await edge.statuses("no-retries", 10)) == {200: 5, 500: 5}


async def test_the_next_priority_gets_requests_where_the_first_is_not_healthy(edge: Edge) -> None:
    assert (await edge.statuses("near", 20)) == {200: 20}
    assert (await edge.get("far"))[0] == 503
    await edge.settled("far")


async def test_faults_are_those_of_their_host(edge: Edge) -> None:
    assert (await edge.statuses("aborted", 5)) == {418: 5}
    assert 50 < (await edge.statuses("half-aborted", 200))[418] < 150
    status, text = await edge.get("grpc-aborted", "content-type: application/grpc")
    assert (status, "grpc-status: 14" in text) == (200, True)
    assert (await edge.statuses("near", 5)) == {200: 5}


async def test_a_delay_is_waited_for(edge: Edge) -> None:
    """Of 0.3 s; Envoy counts from the time of its event loop, which may be some milliseconds earlier."""
    start = time.monotonic()
    assert (await edge.get("delayed"))[0] == 200
    assert time.monotonic() - start >= 0.2


async def test_requests_over_the_rate_are_refused_and_other_hosts_not_counted(edge: Edge) -> None:
    assert (await edge.statuses("rated", 6)) == {200: 3, 429: 3}
    assert (await edge.statuses("near", 6)) == {200: 6}
