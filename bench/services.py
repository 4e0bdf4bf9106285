"""How fast Services come from watch events into the kernel, against the floor: the same elements from a prepared text.

    python -m bench.services --services 10000 --endpoints 10 --rounds 3 --json figures.json

Each sample runs in a fresh user and network namespace. Samples of what is compared take turns, so that a busy moment of
the machine hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.sandbox import enter_sandbox
from tests.services.objects import NODE, FakeFeed, endpoint, service, slice_of

from bench.isolation import in_sandbox
from podwire.engine.row import Delta
from podwire.kernel.elements import Listed, transactions
from podwire.kernel.nftables import Nftables
from podwire.kube.discovery import EndpointSlice
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.services.derivation import Owner, rows
from podwire.services.pools import Pools
from podwire.services.proxy import ServiceProxy
from podwire.services.rows import Row
from podwire.services.ruleset import TABLE, ruleset
from podwire.services.sink import ServiceSink, changes
from podwire.services.view import ServicesView
from podwire.services.word import LARGEST_POOL

CHANGE_SIZES = (100, 1_000, 10_000)
CHANGES_A_TURN = 20
CHANGE_TURNS = 5


class Cluster:
    """Services of some endpoints each, and a proxy that receives them."""

    def __init__(self, services: int, endpoints: int) -> None:
        self.services = [service(f"s{n}", f"10.96.{n >> 8}.{n & 255}") for n in range(1, services + 1)]
        self.slices = [_slice(n, endpoints) for n in range(1, services + 1)]
        self._service_feed: FakeFeed[Service] = FakeFeed()
        self._slice_feed: FakeFeed[EndpointSlice] = FakeFeed()
        self._proxy: ServiceProxy | None = None

    def know(self) -> None:
        """All objects are known before the proxy starts, as after a restart."""
        self._service_feed.objects.update({one.key: one for one in self.services})
        self._slice_feed.objects.update({piece.key: piece for piece in self.slices})

    async def start(self) -> None:
        """The proxy at work, with nothing to do yet."""
        for feed in (self._service_feed, self._slice_feed):
            feed.synced.set()
        sink = ServiceSink.here()
        self._proxy = ServiceProxy(self._service_feed, self._slice_feed, sink, NODE)
        self._task = asyncio.create_task(self._proxy.run())
        await self._proxy.settle()

    async def load(self) -> float:
        """Seconds from the first event to the last element in the kernel."""
        start = time.perf_counter()
        self._service_feed.put(*self.services)
        self._slice_feed.put(*self.slices)
        return await self._settled(start)

    async def change(self, turn: int) -> float:
        """Seconds for one endpoint of some Service that goes, or comes back in the next turn."""
        piece = self.slices[turn // 2 * 7919 % len(self.slices)]
        changed = piece if turn % 2 else slice_of(piece.service.name, *piece.endpoints[1:])
        start = time.perf_counter()
        self._slice_feed.put(changed)
        return await self._settled(start)

    async def _settled(self, start: float) -> float:
        assert self._proxy is not None
        await self._proxy.settle()
        return time.perf_counter() - start

    def elements(self) -> list[Listed]:
        """The elements that all of this comes to."""
        view, pools = ServicesView(NODE), Pools[Owner](LARGEST_POOL)
        for one in self.services:
            view.service_changed(Change(None, one))
        for piece in self.slices:
            view.slice_changed(Change(None, piece))
        made: dict[Row, None] = dict.fromkeys(row for one in self.services for row in rows(one.key, view, pools))
        return [element for _, added in changes(Delta(tuple(made))) for element in added]


def _slice(number: int, endpoints: int) -> EndpointSlice:
    """Endpoints spread over many nodes, as few of them are on this one."""
    numbers = range(number * endpoints, (number + 1) * endpoints)
    pods = (endpoint(f"10.{128 + (n >> 16)}.{n >> 8 & 255}.{n & 255}", node=f"node-{n % 100}") for n in numbers)
    return slice_of(f"s{number}", *pods)


def floor_seconds(services: int, endpoints: int) -> float:
    """The same elements from a text that was prepared before, in transactions as large as a user namespace allows."""
    nft = Nftables()
    nft.run(ruleset().text)
    texts = list(transactions(TABLE, (((), (each,)) for each in Cluster(services, endpoints).elements())))
    start = time.perf_counter()
    for text in texts:
        nft.run(text)
    return time.perf_counter() - start


def load_seconds(services: int, endpoints: int) -> float:
    """From watch events to the kernel."""

    async def run() -> float:
        cluster = Cluster(services, endpoints)
        await cluster.start()
        return await cluster.load()

    return asyncio.run(run())


def compare_loads(services: int, endpoints: int, rounds: int) -> dict[str, float]:
    """Medians of both, and the ratio."""
    floors, loads = [], []
    for _ in range(rounds):
        floors.append(in_sandbox(floor_seconds, services, endpoints))
        loads.append(in_sandbox(load_seconds, services, endpoints))
    floor, load = statistics.median(floors), statistics.median(loads)
    return {"services": services, "endpoints": endpoints, "floor_s": floor, "load_s": load, "ratio": load / floor}


def compare_changes(sizes: tuple[int, ...], endpoints: int) -> list[dict[str, float]]:
    """One endpoint's change at each size: median and 99th percentile, and the ratio to the smallest size."""
    samples: dict[int, list[float]] = {size: [] for size in sizes}
    with contextlib.ExitStack() as stack:
        clusters = {size: stack.enter_context(_changing(size, endpoints)) for size in sizes}
        for turn in range(CHANGE_TURNS):
            for size, pipe in clusters.items():
                pipe.send(turn)
                samples[size] += pipe.recv()
    base = statistics.median(samples[sizes[0]])
    return [
        {
            "services": size,
            "median_ms": statistics.median(taken) * 1e3,
            "p99_ms": statistics.quantiles(taken, n=100)[98] * 1e3,
            "ratio": statistics.median(taken) / base,
        }
        for size, taken in samples.items()
    ]


@contextlib.contextmanager
def _changing(services: int, endpoints: int) -> Iterator[Connection[Any, Any]]:
    """A loaded cluster in its own process: send it a turn, receive the seconds that its changes took."""
    context = get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_serve_changes, args=(there, services, endpoints))
    process.start()
    here.recv()
    yield here
    here.send(None)
    process.join()


def _serve_changes(pipe: Connection[Any, Any], services: int, endpoints: int) -> None:
    async def serve() -> None:
        cluster = Cluster(services, endpoints)
        await cluster.start()
        await cluster.load()
        pipe.send("loaded")
        while (turn := await asyncio.to_thread(pipe.recv)) is not None:
            pipe.send([await cluster.change(turn * CHANGES_A_TURN + n) for n in range(CHANGES_A_TURN)])

    enter_sandbox()
    asyncio.run(serve())


def figures(services: int, endpoints: int, rounds: int) -> dict[str, Any]:
    """All figures of this module, ready for JSON; seconds and milliseconds as the names say."""
    sizes = tuple(size for size in CHANGE_SIZES if size <= services) or (services,)
    return {
        "load": compare_loads(services, endpoints, rounds),
        "changes": compare_changes(sizes, endpoints),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=1_000)
    parser.add_argument("--endpoints", type=int, default=10, help="of each Service")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    found = figures(options.services, options.endpoints, options.rounds)
    load = found["load"]
    print(
        f"load {load['services']} services x {load['endpoints']}: {load['load_s']:.2f} s, "
        f"floor {load['floor_s']:.2f} s, ratio {load['ratio']:.2f}"
    )
    for change in found["changes"]:
        print(
            f"one endpoint at {change['services']} services: median {change['median_ms']:.2f} ms, "
            f"p99 {change['p99_ms']:.2f} ms, ratio {change['ratio']:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
