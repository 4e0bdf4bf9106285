"""The Gateway's data plane: from a changed resource to an answer of Envoy through it.

Server, Envoy and client are on unix sockets and share one machine. Each route is a virtual host of its own, all of them
in one route table, over 100 clusters. Envoy builds the whole table again for a change of one host: per host and per
rule it takes about 4 microseconds each (Envoy 1.40).
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.edge.xds.real_envoy import Backend, Envoy, cluster, endpoints, host, listener, response, routes, until

from bench.figure import Figure
from podwire.edge.xds import bootstrap
from podwire.edge.xds.proxy import Proxies, Proxy
from podwire.edge.xds.resource import VIRTUAL_HOST, Resource
from podwire.edge.xds.server import DiscoveryServer

CLUSTERS = 100
CHURN_SECONDS = 1 / 50
PEERS = "agentgateway 10-30 ms, Istio 120-300, Envoy Gateway about 600"


def figures(*, quick: bool) -> Iterator[Figure]:
    """Routes at once, and one route at a time without and with other changes."""
    count, changes = (300, 20) if quick else (3_000, 150)
    yield from _figures(count, 1, changes, goals=(50.0, 150.0))
    yield from _figures(count, 3, changes, goals=(None, None))


def _figures(count: int, rules: int, changes: int, goals: tuple[float | None, float | None]) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder:
        found = asyncio.run(_measure(Path(folder), count, rules, changes))
    name = f"{count:,} routes of {rules} rule{'s' if rules > 1 else ''}"
    yield Figure(f"{name}: memory of Envoy", found["memory"], "MB")
    for load, goal in zip(("idle", "50 changes/s"), goals, strict=True):
        taken = found[load]
        yield Figure(f"{name}: a route to traffic, {load}, median", statistics.median(taken), "ms")
        yield Figure(f"{name}: a route to traffic, {load}, p99", _p99(taken), "ms", goal, PEERS)
    yield Figure(f"{name}: 1,000 more at once to traffic", found["attached"], "s", 2.0, "Cilium 1 s, Istio 2")


async def _measure(folder: Path, count: int, rules: int, changes: int) -> dict[str, Any]:
    async with _edge(folder, count, rules) as (proxy, envoy):
        client = _Client(folder / "http")
        await client.connect()
        found: dict[str, Any] = {"memory": envoy.resident_bytes() / 1e6}
        added = [_route(f"new{number}.test", number, rules) for number in range(2 * changes)]
        found["idle"] = [await _change(proxy, client, one) for one in added[:changes]]
        churn = asyncio.create_task(_churn(proxy, count, rules))
        found["50 changes/s"] = [await _change(proxy, client, one) for one in added[changes:]]
        churn.cancel()
        found["attached"] = await _attach(proxy, client, rules)
        return found


@asynccontextmanager
async def _edge(folder: Path, count: int, rules: int) -> AsyncIterator[tuple[Proxy, Envoy]]:
    """Serve that many routes."""
    backend = Backend(folder / "backend")
    await backend.start()
    proxies = Proxies(lambda _: None)
    server = DiscoveryServer(proxies, None)
    await server.start(f"unix:{folder}/xds")
    envoy = Envoy(folder, bootstrap.Bootstrap("envoy", "edge", f"{folder}/xds", 0, f"{folder}/admin"))
    resources = [listener("http", folder / "http", "t"), routes("t")]
    for number in range(CLUSTERS):
        resources += [cluster(f"c{number}"), endpoints(f"c{number}", backend.socket)]
    resources += [_route(f"r{number}.test", number, rules) for number in range(count)]
    proxy = proxies.add("edge", resources)
    envoy.start()
    try:
        keys = [one.key for one in resources]
        await until(lambda: bool(proxy.envoys()) and not proxy.lacking(keys), "Envoy has all routes", 60)
        yield proxy, envoy
    finally:
        envoy.kill()
        await server.stop()
        await backend.stop()


def _route(domain: str, number: int, rules: int, generation: int = 0) -> Resource:
    """Return a virtual host; its last rule has all paths, the others one each, different in each generation."""
    target = {"cluster": f"c{number % CLUSTERS}"}
    paths = [{"path_separated_prefix": f"/{rule}/{generation}"} for rule in range(rules - 1)]
    last = {"match": {"prefix": "/"}, "route": {**target, "timeout": f"{15 + generation}s"}}
    before = [{"match": path, "route": target} for path in paths]
    return host("t", domain, target["cluster"], routes=[*before, last])


async def _change(proxy: Proxy, client: _Client, route: Resource) -> float:
    """Add a route; returns the milliseconds until a request to it is answered with 200."""
    started = time.perf_counter()
    proxy.apply([route])
    await client.until_served(route.name.removeprefix("t/"))
    return (time.perf_counter() - started) * 1e3


async def _attach(proxy: Proxy, client: _Client, rules: int) -> float:
    """Add 1,000 routes at once; returns the seconds until all are acknowledged and the last one is served."""
    added = [_route(f"attached{number}.test", number, rules) for number in range(1_000)]
    keys = [(VIRTUAL_HOST, one.name) for one in added]
    started = time.perf_counter()
    proxy.apply(added)
    await until(lambda: not proxy.lacking(keys), "Envoy has the new routes", 60)
    if await client.status("attached999.test") != 200:
        raise RuntimeError("a route that Envoy has acknowledged is not served")
    return time.perf_counter() - started


async def _churn(proxy: Proxy, count: int, rules: int) -> None:
    """Change other routes, one after the other."""
    loop, turn = asyncio.get_running_loop(), 0
    started = loop.time()
    while True:
        turn += 1
        proxy.apply([_route(f"r{turn % count}.test", turn, rules, turn)])
        await asyncio.sleep(started + turn * CHURN_SECONDS - loop.time())


class _Client:
    """One kept connection."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_unix_connection(str(self._socket))

    async def status(self, domain: str) -> int:
        self._writer.write(f"GET / HTTP/1.1\r\nHost: {domain}\r\n\r\n".encode())
        return (await response(self._reader))[0]

    async def until_served(self, domain: str) -> None:
        """Send requests until one is answered with 200."""
        while await self.status(domain) != 200:  # noqa: ASYNC110  # nothing but a request shows it
            await asyncio.sleep(0.001)


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]
