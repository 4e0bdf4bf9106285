"""One change among 1,000 Services of the mesh: from its write to the API server to the first request that it rules.

Each Service is enrolled and has a route, so both Envoys have all of them. The client is a pod on one node; the servers
are two pods on the other one, and the endpoints are EndpointSlices of the bench's own.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from tests.world.harness import Home, World

from bench import mesh_world
from bench.figure import Figure
from bench.mesh_world import megabytes_a_node
from bench.world import record, running_world
from podwire.edge.gateway.kinds.http_route import HTTP_ROUTES
from podwire.kube.client import Client
from podwire.kube.kinds import ENDPOINT_SLICES, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.lab.host import credentials

NAMESPACE, PORT = "shop", 8080
WRITERS = 16
PATIENCE_SECONDS = 300.0
Object = dict[str, Any]

PODS = """
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec: {nodeName: node-1, containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
"""
SERVER = """
---
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: shop}
spec: {nodeName: node-2, containers: [{name: c, image: nginx, ports: [{containerPort: 8080}]}]}
"""
SERVERS = ("first", "second")
HEADER = "x-version"


def figures(*, quick: bool) -> Iterator[Figure]:
    """A change of a route, one of endpoints, and the memory of a node with all Services."""
    count, changes = (200, 20) if quick else (1_000, 200)
    with (
        tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder,
        running_world(Home(Path(folder)), nodes=2) as world,
    ):
        found = _measured(world, count, changes)
        envoy, program = megabytes_a_node(world)
    for kind, taken in found.items():
        name = f"{count:,} routed Services in the mesh: one change of {kind} to a request"
        yield Figure(f"{name}, median", statistics.median(taken), "ms")
        yield Figure(f"{name}, p99", sorted(taken)[min(len(taken) - 1, len(taken) * 99 // 100)], "ms", 100.0)
    yield Figure(f"{count:,} routed Services: memory of a node's Envoy", envoy, "MB")
    yield Figure(f"{count:,} routed Services: memory of the program that configures it", program, "MB")


def _measured(world: World, count: int, changes: int) -> dict[str, list[float]]:
    world.apply(mesh_world.NAMESPACES + PODS + "".join(SERVER.replace("NAME", one) for one in SERVERS))
    world.within(NAMESPACE).wait()
    addresses = [world.jsonpath(f"pod {one}", "{.status.podIP}", "--namespace", NAMESPACE) for one in SERVERS]
    mesh_world.until_redirected(world, 3)
    mesh_world.until_peer(world, "client", "second")
    folder = record(world).folder / "pki"
    found: dict[str, list[float]] = mesh_world.in_pod(
        world, "shop/client", _inside, str(folder), addresses, count, changes
    )
    return found


def _inside(_: Any, folder: str, servers: list[str], count: int, changes: int) -> dict[str, list[float]]:
    proof = credentials.of_folder(Path(folder), credentials.ADMIN, "https://172.18.0.1:6443")

    async def measure() -> dict[str, list[float]]:
        async with Client(proof) as client:
            return await _Bench(client, servers).measure(count, changes)

    return asyncio.run(measure())


class _Bench:
    """The API server, and the Services' addresses."""

    def __init__(self, client: Client, servers: list[str]) -> None:
        self._client = client
        self._servers = servers
        self._addresses: dict[int, str] = {}

    async def measure(self, count: int, changes: int) -> dict[str, list[float]]:
        left = iter(range(count))

        async def write() -> None:
            for number in left:
                await self._create(number)

        await asyncio.gather(*(write() for _ in range(WRITERS)))
        for number in range(count):
            await self._until_served(number)
        found: dict[str, list[float]] = {"a route": [], "endpoints": []}
        for turn in range(changes):
            number = turn * 7919 % count
            found["a route"].append(await self._timed(number, self._change_route, f"{HEADER}: 1"))
            found["endpoints"].append(await self._timed(number, self._change_endpoints, f"{NAMESPACE}/second"))
        return found

    async def _create(self, number: int) -> None:
        name = _name(number)
        ports = [{"name": "http", "port": 80, "targetPort": PORT}]
        made = await self._client.create(SERVICES, {"metadata": {"name": name}, "spec": {"ports": ports}}, NAMESPACE)
        self._addresses[number] = made.spec.cluster_ip
        await self._client.create(ENDPOINT_SLICES, _slice(number, self._servers[0]), NAMESPACE)
        parent = {"group": "", "kind": "Service", "name": name}
        spec = {"parentRefs": [parent], "rules": [_rule(number, "0")]}
        await self._client.create(HTTP_ROUTES, {"metadata": {"name": name}, "spec": spec}, NAMESPACE)

    async def _change_route(self, number: int) -> None:
        await self._patch(HTTP_ROUTES, number, {"spec": {"rules": [_rule(number, "1")]}})

    async def _change_endpoints(self, number: int) -> None:
        await self._patch(ENDPOINT_SLICES, number, {"endpoints": _slice(number, self._servers[1])["endpoints"]})

    async def _patch(self, kind: Any, number: int, change: Object) -> None:
        await self._client.patch(kind, NamespacedName(NAMESPACE, _name(number)), change)

    async def _timed(self, number: int, change: Callable[[int], Awaitable[None]], wanted: str) -> float:
        """Return the milliseconds from the request that changes to the first response that shows the change."""
        async with asyncio.timeout(PATIENCE_SECONDS), _Requests(self._addresses[number]) as requests:
            started = time.perf_counter()
            writing = asyncio.ensure_future(change(number))
            while wanted not in await requests.response():  # noqa: ASYNC110  # nothing but a request shows it
                await asyncio.sleep(0.001)
            taken = (time.perf_counter() - started) * 1e3
            await writing
            return taken

    async def _until_served(self, number: int) -> None:
        """Wait for the route: what was connected before it stays without it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                async with _Requests(self._addresses[number]) as requests:
                    if f"{HEADER}: 0" in await requests.response():
                        return
                await asyncio.sleep(0.05)


class _Requests:
    """A connection that sends one request after the other."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def __aenter__(self) -> _Requests:
        self._reader, self._writer = await asyncio.open_connection(self._address, 80)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def response(self) -> str:
        """Return head and body of a response."""
        self._writer.write(b"GET / HTTP/1.1\r\nHost: server\r\n\r\n")
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return (head + await self._reader.readexactly(int(length))).decode()


def _name(number: int) -> str:
    return f"s{number}"


def _slice(number: int, address: str) -> Object:
    return {
        "metadata": {"name": _name(number), "labels": {"kubernetes.io/service-name": _name(number)}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP", "port": PORT}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}, "nodeName": "node-2"}],
    }


def _rule(number: int, version: str) -> Object:
    header = {"set": [{"name": HEADER, "value": version}]}
    changed = {"type": "ResponseHeaderModifier", "responseHeaderModifier": header}
    return {"filters": [changed], "backendRefs": [{"name": _name(number), "port": 80}]}
