"""What the mesh costs a request: latency, throughput, processor time and memory, beside the same pods outside of it.

The client is on another node than the server. The three paths take turns in short runs: no mesh, mutual TLS by the
Envoys of both nodes (L4), and a route on the Service besides (L7). Differences and ratios are of neighbouring runs.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.world.harness import Home, World

from bench import mesh_world
from bench.figure import Figure
from bench.isolation import processor_seconds
from bench.mesh_load import WARM_UP_REQUESTS, Latencies, paced, stream

RATE = 1000.0
PATHS = {"no mesh": ("plain", "direct"), "L4": ("shop", "direct"), "L7": ("shop", "routed")}
LATENCY_PEERS = {
    "L4": "Istio: two ztunnels add 0.20 ms p99; Linkerd: + 33 % (arXiv 2411.02267)",
    "L7": "Istio: two sidecars add 2.65 ms p90",
}
PROCESSOR_PEERS = {
    "L4": "Istio: two ztunnels 0.12, two sidecars 0.40",
    "L7": "Istio: two ztunnels and a waypoint 0.37, two sidecars 0.40",
}
MEMORY_PEER = "Istio: ztunnel 12 MB, waypoint 60 MB, sidecar 60 MB"


@dataclass
class Runs:
    """What the runs of one path measured, in the order of the rounds."""

    latencies: list[Latencies] = field(default_factory=list)
    processors: list[float] = field(default_factory=list)
    """Of the Envoys of both nodes, per 1,000 requests a second."""

    streams: list[float] = field(default_factory=list)


def figures(*, quick: bool) -> Iterator[Figure]:
    """All of them. Raises NoLoadClientError where nginx is missing."""
    worlds, rounds, seconds = (1, 3, 3.0) if quick else (3, 5, 5.0)
    found = {name: Runs() for name in PATHS}
    memory = []
    for _ in range(worlds):
        with (
            tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder,
            mesh_world.measured_world(Home(Path(folder))) as world,
        ):
            _sample(world, found, rounds, seconds)
            memory.append(mesh_world.megabytes_a_node(world))
    plain = found.pop("no mesh")
    yield Figure("1 KB at 1,000/s, no mesh, p50", statistics.median(one.median for one in plain.latencies), "ms")
    yield Figure("1 KB at 1,000/s, no mesh, p99", statistics.median(one.p99 for one in plain.latencies), "ms")
    for path, runs in found.items():
        yield from _of_path(path, runs, plain)
    envoy, program = (statistics.median(one[index] for one in memory) for index in (0, 1))
    yield Figure("mesh: memory of a node's Envoy", envoy, "MB", peer=MEMORY_PEER)
    yield Figure("mesh: memory of the program that configures it", program, "MB")


def _of_path(path: str, runs: Runs, plain: Runs) -> Iterator[Figure]:
    name = f"1 KB at 1,000/s, mesh {path}, added"
    yield Figure(f"{name} p50", _added(runs, plain, lambda one: one.median), "ms")
    yield Figure(f"{name} p99", _added(runs, plain, lambda one: one.p99), "ms", peer=LATENCY_PEERS[path])
    ratios = (one / other for one, other in zip(runs.streams, plain.streams, strict=True))
    yield Figure(f"one stream, mesh {path} : no mesh", statistics.median(ratios), "x")
    yield Figure(f"one stream, mesh {path}", statistics.median(runs.streams) / 1e6, "MB/s")
    peer = PROCESSOR_PEERS[path]
    yield Figure(f"mesh {path}: vCPU of both Envoys at 1,000/s", statistics.median(runs.processors), "", peer=peer)


def _added(runs: Runs, plain: Runs, value: Callable[[Latencies], float]) -> float:
    pairs = zip(runs.latencies, plain.latencies, strict=True)
    return statistics.median(value(one) - value(other) for one, other in pairs)


def _sample(world: World, found: dict[str, Runs], rounds: int, seconds: float) -> None:
    addresses = {name: mesh_world.cluster_ip(world, *where) for name, where in PATHS.items()}
    envoys = mesh_world.envoys(world)
    for turn in range(rounds):
        for name in PATHS if turn % 2 else reversed(PATHS):
            client = f"{PATHS[name][0]}/client"
            before = sum(map(processor_seconds, envoys))
            found[name].latencies.append(mesh_world.in_pod(world, client, paced, addresses[name], RATE, seconds))
            used = sum(map(processor_seconds, envoys)) - before
            found[name].processors.append(used / (RATE * seconds + WARM_UP_REQUESTS) * 1000)
            found[name].streams.append(mesh_world.in_pod(world, client, stream, addresses[name]))
