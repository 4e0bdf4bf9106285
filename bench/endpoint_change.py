"""One endpoint's change from the API write to the kernel, through a real API server, watch and agent."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from bench.kernel_watch import Arrivals, Generations
from podwire.kube.client import Client
from podwire.kube.credentials import Credentials
from podwire.kube.kinds import ENDPOINT_SLICES, SERVICES
from podwire.kube.meta import NamespacedName
from podwire.lab.base import paths
from podwire.lab.host import credentials, nsenter
from podwire.lab.host.worlds import World

WRITERS = 8
CHANGES = 40
QUIET_SECONDS = 2.0
SLICE = NamespacedName("default", "bench-0")


def milliseconds(world: World, services: int) -> list[float]:
    """The time of each of CHANGES changes, with this many Services of one endpoint in the world."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_inside, args=(world, services, there))
    process.start()
    taken: list[float] = here.recv()
    process.join()
    return taken


def _inside(world: World, services: int, pipe: Connection[Any, Any]) -> None:
    """In the network of the first node, where its kernel can be asked."""
    folder = world.folder / "pki"
    nsenter.enter(world, str(paths.network("node-1")))
    proof = credentials.of_folder(folder, credentials.ADMIN, "https://172.18.0.1:6443")
    pipe.send(asyncio.run(_measure(proof, services)))


async def _measure(proof: Credentials, services: int) -> list[float]:
    async with Client(proof) as client:
        numbers = iter(range(services))
        await asyncio.gather(*(_fill(client, numbers) for _ in range(WRITERS)))
        Generations().last_change(QUIET_SECONDS)  # blocks: a process that entered a pid namespace has no threads
        arrivals = Arrivals()
        return [await _change(client, arrivals, turn) for turn in range(CHANGES)]


async def _fill(client: Client, numbers: Any) -> None:
    for number in numbers:
        name = f"bench-{number}"
        await client.create(SERVICES, {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}}, "default")
        await client.create(ENDPOINT_SLICES, _slice(name, "10.244.9.1"), "default")


def _slice(name: str, address: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address]}],
        "ports": [{"port": 8080}],
    }


async def _change(client: Client, arrivals: Arrivals, turn: int) -> float:
    endpoint = f"10.244.9.{2 + turn}"
    began = time.perf_counter()
    await client.patch(ENDPOINT_SLICES, SLICE, {"endpoints": [{"addresses": [endpoint]}]})
    return (arrivals.of(endpoint) - began) * 1e3
