"""The whole path of a route: from its write to the API server to an answer through its Gateway, in a world.

Writer and client are one process on the world's outside host; the Gateway has an address of a load balancer, its Envoy
is a pod, its controller a process of the world. Each route has a hostname of its own; 20 Services share one pod.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.edge.world.gateways import Object, addresses, apply, gateway, http, route, rule, service, workload
from tests.edge.xds.real_envoy import response
from tests.world.harness import Home, World

from bench.figure import Figure
from bench.world import record, running_world
from podwire.edge.gateway.kinds.gateway import GATEWAYS
from podwire.edge.gateway.kinds.http_route import HTTP_ROUTES, HTTPRoute
from podwire.kube.client import Client
from podwire.kube.meta import NamespacedName
from podwire.lab.base import paths
from podwire.lab.host import credentials, nsenter, worlds

NAMESPACE, GATEWAY = "default", "public"
SERVICES, WRITERS = 20, 16
CHURN_SECONDS = 1 / 50
PATIENCE_SECONDS = 120.0
PEERS = "agentgateway 10-30 ms, Istio 120-300, Envoy Gateway about 600"


def figures(*, quick: bool) -> Iterator[Figure]:
    """One route at a time without and with other changes, 1,000 at once, and the memory of many."""
    count, changes, attached, most = (300, 20, 100, 500) if quick else (3_000, 150, 1_000, 5_000)
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder:
        home = Home(Path(folder))
        with running_world(home, nodes=1) as world:
            found = _measured(world, count, changes, attached, most)
    name = f"{count:,} routes, API write to traffic"
    for load, goal in (("idle", 50.0), ("50 changes/s", 150.0)):
        taken = found[load]
        yield Figure(f"{name}, {load}, median", statistics.median(taken), "ms")
        yield Figure(f"{name}, {load}, p99", _p99(taken), "ms", goal, PEERS)
    peers = "Cilium 1 s, Istio 2, Envoy Gateway 23"
    name = f"{attached:,} more attached, last write to accepted and served"
    yield Figure(f"{name}, median", statistics.median(found["attached"]), "s", 2.0, peers)
    yield Figure(f"{name}, slowest", max(found["attached"]), "s")
    yield Figure(f"{most:,} routes: memory of Envoy", found["envoy"], "MB", 600.0, "published: 1-2 GB")
    yield Figure(f"{most:,} routes: memory of the controller", found["controller"], "MB", 300.0)


def _measured(world: World, *sizes: int) -> dict[str, Any]:
    apply(world, *workload("web"), *(service(f"web-{one}", app="web") for one in range(SERVICES)))
    apply(world, gateway(GATEWAY, http()))
    address = addresses(world, GATEWAY)[0]
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_inside, args=(record(world), address, sizes, there))
    process.start()
    found: dict[str, Any] = here.recv()
    found["envoy"] = max(_resident(world, lambda comm: "envoy" in comm))
    found["controller"] = max(_resident(world, lambda comm: comm == "pw-gateway-controller"[:15]))
    here.send(None)
    process.join()
    return found


def _resident(world: World, chosen: Callable[[str], bool]) -> Iterator[float]:
    """Proportional set sizes, in MB."""
    for pid, comm in world.processes().items():
        if chosen(comm):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    yield int(line.split()[1]) / 1024


def _inside(world: worlds.World, address: str, sizes: tuple[int, ...], pipe: Connection[Any, Any]) -> None:
    """On the outside host."""
    folder = world.folder / "pki"
    nsenter.enter(world, str(paths.network("outside")))
    proof = credentials.of_folder(folder, credentials.ADMIN, "https://172.18.0.1:6443")

    async def measure() -> dict[str, Any]:
        async with Client(proof) as client:
            return await _Bench(client, address).measure(*sizes)

    pipe.send(asyncio.run(measure()))
    pipe.recv()


class _Bench:
    """The API server, and one kept connection to the Gateway."""

    def __init__(self, client: Client, address: str) -> None:
        self._client = client
        self._address = address
        self._numbers = itertools.count()
        self._made = 0

    async def measure(self, count: int, changes: int, attached: int, most: int) -> dict[str, Any]:
        self._reader, self._writer = await asyncio.open_connection(self._address, 80)
        found: dict[str, Any] = {}
        found["attached"] = [await self._attach(attached) for _ in range(count // attached)]
        found["idle"] = [await self._change_alone() for _ in range(changes)]
        churn = asyncio.create_task(self._churn(count))
        found["50 changes/s"] = [await self._change() for _ in range(changes)]
        churn.cancel()
        found["attached"].append(await self._attach(attached))
        await self._attach(most - self._made)
        return found

    async def _change_alone(self) -> float:
        """Change as `_change`, once every status of the changes before is written."""
        made = self._made
        await self._until(f"{made} routes are attached", lambda: self._is_attached(made))
        return await self._change()

    async def _change(self) -> float:
        """Create a route; returns the milliseconds from the request to the first answer of its backend."""
        number = next(self._numbers)
        started = time.perf_counter()
        writing = asyncio.create_task(self._create(number))
        await self._until_served(number)
        taken = (time.perf_counter() - started) * 1e3
        await writing
        return taken

    async def _attach(self, count: int) -> float:
        """Create routes; returns the seconds from the last write until all are accepted and served."""
        numbers = [next(self._numbers) for _ in range(count)]
        left = iter(numbers)

        async def write() -> None:
            for number in left:
                await self._create(number)

        await asyncio.gather(*(write() for _ in range(WRITERS)))
        started = time.perf_counter()
        await self._until_accepted(numbers)
        for number in reversed(numbers):
            await self._until_served(number)
        return time.perf_counter() - started

    async def _until_accepted(self, numbers: Collection[int]) -> None:
        """Wait for the Gateway's count, which costs the server little to return, then for each of these routes."""
        last = max(numbers)
        await self._until(f"{last + 1} routes are attached", lambda: self._is_attached(last + 1))
        wanted = {_name(one) for one in numbers}
        await self._until("all routes are accepted", lambda: self._are_accepted(wanted))

    async def _is_attached(self, count: int) -> bool:
        found = await self._client.get(GATEWAYS, NamespacedName(NAMESPACE, GATEWAY))
        return any(one.attached_routes >= count for one in found.status.listeners)

    async def _are_accepted(self, wanted: set[str]) -> bool:
        found = await self._client.list(HTTP_ROUTES, NAMESPACE)
        return wanted <= {one.metadata.name for one in found.items if _is_accepted(one)}

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while not await condition():
            if time.perf_counter() > deadline:
                raise TimeoutError(f"not in {PATIENCE_SECONDS:g} s: {what}")
            await asyncio.sleep(0.05)

    async def _churn(self, count: int) -> None:
        """Change other routes, one after the other."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        for turn in itertools.count(1):
            key = NamespacedName(NAMESPACE, _name(turn % count))
            await self._client.patch(HTTP_ROUTES, key, {"spec": {"rules": [_rule(turn, f"/{turn}"), _rule(turn, "/")]}})
            await asyncio.sleep(started + turn * CHURN_SECONDS - loop.time())

    async def _create(self, number: int) -> None:
        body = route(_name(number), GATEWAY, f"{_name(number)}.test", _rule(number, "/"))
        await self._client.create(HTTP_ROUTES, body, NAMESPACE)
        self._made += 1

    async def _until_served(self, number: int) -> None:
        while await self._status(number) != 200:  # noqa: ASYNC110  # nothing but a request shows it
            await asyncio.sleep(0.001)

    async def _status(self, number: int) -> int:
        self._writer.write(f"GET / HTTP/1.1\r\nHost: {_name(number)}.test\r\n\r\n".encode())
        return (await response(self._reader))[0]


def _name(number: int) -> str:
    return f"r{number}"


def _is_accepted(item: HTTPRoute) -> bool:
    conditions = (condition for parent in item.status.parents for condition in parent.conditions)
    return any((one.type, one.status) == ("Accepted", "True") for one in conditions)


def _rule(number: int, path: str) -> Object:
    return rule(path, f"web-{number % SERVICES}")


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]
