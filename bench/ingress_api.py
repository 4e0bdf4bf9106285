"""Ingresses through the API server of a world: from the last acknowledged write to traffic, beside open connections."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tests.world.harness import Home, World

from bench.figure import Figure
from bench.ingress_changes import HOSTS, IDLE, INGRESSES, STREAMS, EdgeClient, still_open
from bench.world import record, running_world
from podwire.edge.ingress.kinds import INGRESSES as KIND
from podwire.kube.client import Client
from podwire.kube.meta import NamespacedName
from podwire.lab.host import credentials

WRITERS = 8
PATIENCE_SECONDS = 120.0
BACKEND = """
import asyncio
async def serve(reader, writer):
    while head := await reader.readuntil(b"\\r\\n\\r\\n"):
        if b" /stream " not in head:
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
            continue
        writer.write(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
        while True:
            writer.write(b"1\\r\\n.\\r\\n")
            await writer.drain()
            await asyncio.sleep(0.2)
async def main():
    await (await asyncio.start_server(serve, "", 8080)).serve_forever()
asyncio.run(main())
"""
FIRST = "first.example.com"


def figures(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures of a world's controller and Envoy, with its API server, watches and status writes."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder, running_world(Home(Path(folder)), 1) as world:
        world.apply(yaml.safe_dump_all(_backend()))
        address, port = _door(world)
        served, taken, ended = asyncio.run(_measure(world, address, port, 30 if quick else 200))
    name = f"{INGRESSES:,} Ingresses over {HOSTS} hosts through the API server"
    yield Figure(f"{name}: all serve, after the last write", served, "s", 2.0)
    yield Figure(f"{name}: one change to traffic, median", statistics.median(taken), "ms")
    yield Figure(f"{name}: one change to traffic, p99", sorted(taken)[len(taken) * 99 // 100], "ms", 50.0)
    changes = f"of {STREAMS} streams and {IDLE} idle connections, ended by {len(taken)} changes"
    yield Figure(f"{name}: {changes}", ended, "", 0.0)


async def _measure(world: World, address: str, port: int, changes: int) -> tuple[float, list[float], int]:
    async with Client(credentials.of_host(record(world)), "bench") as client:
        edge = EdgeClient(address, port)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await edge.until_served(FIRST, "/")
        queue = iter(range(INGRESSES))
        await asyncio.gather(*(_write(client, queue) for _ in range(WRITERS)))
        acknowledged = time.perf_counter()
        async with asyncio.timeout(PATIENCE_SECONDS):
            for number in range(INGRESSES):
                await edge.until_served(_host(number), _path(number))
        served = time.perf_counter() - acknowledged
        async with still_open(address, port, FIRST) as count:
            taken = [await _change(client, edge, number) for number in range(changes)]
            return served, taken, STREAMS + IDLE - await count()


async def _write(client: Client, numbers: Iterator[int]) -> None:
    for number in numbers:
        await client.create(KIND, _ingress(f"i{number}", _host(number), _path(number)), "default")


async def _change(client: Client, edge: EdgeClient, number: int) -> float:
    """Return the milliseconds from just before the write to the first answer at a path that is new."""
    name, target = f"i{number % HOSTS}", f"/new{number}"
    body = {"spec": _ingress(name, _host(number % HOSTS), target)["spec"]}
    started = time.perf_counter()
    await client.patch(KIND, NamespacedName("default", name), body)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await edge.until_served(_host(number % HOSTS), target)
    return (time.perf_counter() - started) * 1000


def _host(number: int) -> str:
    return f"h{number % HOSTS}.example.com"


def _path(number: int) -> str:
    return f"/{number // HOSTS}"


def _ingress(name: str, host: str, path: str) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend}]
    spec = {"ingressClassName": "podwire", "rules": [{"host": host, "http": {"paths": paths}}]}
    return {"apiVersion": KIND.api_version, "kind": KIND.kind, "metadata": {"name": name}, "spec": spec}


def _backend() -> Iterator[dict[str, Any]]:
    container = {
        "name": "web",
        "image": "python",
        "command": ["python3", "-c", BACKEND],
        "ports": [{"containerPort": 8080}],
    }
    metadata = {"name": "web", "labels": {"app": "web"}}
    yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    yield _ingress("first", FIRST, "/")


def _door(world: World) -> tuple[str, int]:
    """Return the address and port of this machine that lead to the Service of all Ingresses."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = json.loads(world.home.podwire("status", "--name", world.name, "-o", "json").stdout)
        for one in (line for status in found for line in status["services"]):
            if (one["namespace"], one["name"], one["port"]) == ("podwire-system", "ingress", 80) and one["host"]:
                address, _, port = one["host"].rpartition(":")
                return address, int(port)
        time.sleep(0.2)
    raise TimeoutError("the Service of Ingresses has no address on this machine")
