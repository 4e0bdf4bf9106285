"""All figures of podwire, against its goals: `make bench`, or `python -m bench [--quick] [--only PART] [--json FILE]`.

Each sample of a world is a whole world, started and ended by the command line in a folder of its own; each sample of
the API server is a new server on an empty store. `--page` writes what was measured into docs/reference/figures.md.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.world.harness import Home

from bench import (
    api_watches,
    api_writes,
    churn,
    connections,
    dns,
    dns_forwarding,
    egress,
    endpoint_change,
    explain,
    figure,
    flow_records,
    gateway,
    gateway_continuity,
    gateway_path,
    gateway_requests,
    ingress,
    ingress_api,
    ingress_changes,
    kubectl_get,
    mesh,
    mesh_changes,
    mesh_continuity,
    policies,
    policy_path,
    proxies,
    reach,
    services,
    size,
    verify,
    world,
)
from bench.figure import Figure
from bench.isolation import UnsuitableMachineError, in_sandbox


def world_figures(samples: int, sizes: tuple[int, ...]) -> Iterator[Figure]:
    """Cold start, down, memory, a pod's start: medians of whole runs."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder:
        home = Home(Path(folder))
        times = [world.cold_start_and_down(home, nodes=2) for _ in range(samples)]
        ups, downs = zip(*times, strict=True)
        peer = "k3d 19.9 s, kind 33 s to DNS answering"
        yield Figure("up, 2 nodes, cold, median", statistics.median(ups), "s", 2.0, peer)
        yield Figure("up, 2 nodes, cold, slowest", max(ups), "s")
        yield Figure("down, median", statistics.median(downs), "s", 0.5)
        with world.running_world(home, nodes=2) as running:
            yield Figure("memory of an idle world, PSS", world.memory(running)["all"], "MB", 250, "k3s server 1,428 MB")
            pods = [world.pod_to_answer(running, number) for number in range(samples)]
            yield Figure("kubectl apply to the Service's first answer, median", statistics.median(pods), "s", 1.0)
        for count in sizes:
            with world.running_world(home, nodes=1) as running:
                taken = endpoint_change.milliseconds(world.record(running), count)
                name = f"one endpoint change, API write to kernel, {count:,} services"
                yield Figure(name, statistics.median(taken), "ms", 20.0)
        yield Figure("CNI plugin, start to end, median", world.plugin_milliseconds(), "ms", 30.0)


def service_figures(*, quick: bool) -> Iterator[Figure]:
    """Services from watch events to kernel, against the floor."""
    for count in (1000,) if quick else (1000, 10_000):
        found = services.figures(count, 10, 1 if quick else 3)
        yield from _service_figures(count, found)


def _service_figures(count: int, found: dict[str, Any]) -> Iterator[Figure]:
    load = found["load"]
    yield Figure(f"{count:,} services x 10 endpoints, load", load["load_s"], "s")
    yield Figure(f"{count:,} services x 10 endpoints, floor", load["floor_s"], "s")
    yield Figure(f"{count:,} services x 10 endpoints, ratio to the floor", load["ratio"], "x", 3.0)
    changes = found["changes"]
    first, last = changes[0], changes[-1]
    yield Figure(f"one endpoint change at {last['services']:,} services", last["median_ms"], "ms", 20.0)
    yield Figure(f"the same against {first['services']:,} services", last["ratio"], "x", 1.3)


def api_figures(*, quick: bool) -> Iterator[Figure]:
    """The API server over the wire: writes, lists, memory, watches, kubectl."""
    pods, rounds = (2_000, 1) if quick else (10_000, 3)
    load = api_writes.figures(pods, 8, rounds)
    durable, world_like, floor = load["durable"], load["world"], load["floor"]
    made = f"{pods:,} pods by 8 writers"
    yield Figure(f"{made}, each safe on disk", durable["writes_a_second"], "/s", 1000, at_least=True)
    yield Figure(f"{made}, in a world", world_like["writes_a_second"], "/s", 1000, at_least=True)
    yield Figure(f"{made}, floor", floor["writes_a_second"], "/s")
    yield Figure("processor time of the server for a pod's creation", world_like["server_microseconds"], "us")
    yield Figure("the same, floor", floor["server_microseconds"], "us")
    yield Figure("memory of an object with its history", durable["bytes_an_object"] / 1024, "KB", 12)
    yield Figure(f"{pods:,} pods listed in pages of 500", durable["list_seconds"], "s")
    yield from _watch_figures(100, 200, pods, 50.0)
    yield from _watch_figures(1_000, 10, pods, None)
    shown, times = (1_000, 3) if quick else (5_000, 7)
    found = in_sandbox(kubectl_get.sample, shown, times)
    yield Figure(f"kubectl get pods -A, {shown:,} pods", found.served, "s")
    yield Figure("the same, of a floor that replays the answers", found.canned, "s")
    yield Figure("the same, ratio to the floor", found.ratio, "x", 1.2)


def _watch_figures(watchers: int, rate: float, pods: int, goal: float | None) -> Iterator[Figure]:
    found = in_sandbox(api_watches.sample, watchers, rate, 10, pods)
    load = f"{watchers:,} watchers at {rate:g} writes/s"
    yield Figure(f"{load}, delivery, median", found.median, "ms")
    yield Figure(f"{load}, delivery, 99th percentile", found.p99, "ms", goal)
    yield Figure(f"{load}, memory of a watcher with its connection", found.bytes_a_watcher / 1024, "KB")


PARTS: dict[str, Callable[[bool], Iterator[Figure]]] = {
    "world": lambda quick: world_figures(3 if quick else 7, (100, 1_000) if quick else (100, 10_000)),
    "services": lambda quick: service_figures(quick=quick),
    "connections": lambda quick: connections.figures(quick=quick),
    "policies": lambda quick: policies.figures(quick=quick),
    "policy-path": lambda quick: policy_path.figures(quick=quick),
    "flows": lambda quick: flow_records.figures(quick=quick),
    "egress": lambda quick: egress.figures(quick=quick),
    "api": lambda quick: api_figures(quick=quick),
    "proxies": lambda quick: proxies.figures(quick=quick),
    "churn": lambda quick: churn.figures(quick=quick),
    "endpoints": lambda quick: proxies.many_endpoints(quick=quick),
    "explain": lambda quick: explain.figures(quick=quick),
    "size": lambda quick: size.figures(quick=quick),
    "dns": lambda quick: itertools.chain(dns.figures(quick=quick), dns_forwarding.figures(quick=quick)),
    "ingress": lambda quick: itertools.chain(
        ingress_changes.figures(quick=quick), ingress_api.figures(quick=quick), ingress.figures(quick=quick)
    ),
    "reach": lambda quick: reach.figures(quick=quick),
    "gateway": lambda quick: itertools.chain(gateway_path.figures(quick=quick), gateway.figures(quick=quick)),
    "gateway-requests": lambda quick: gateway_requests.figures(quick=quick),
    "gateway-continuity": lambda quick: gateway_continuity.figures(quick=quick),
    "verify": lambda quick: verify.figures(quick=quick),
    "mesh": lambda quick: mesh.figures(quick=quick),
    "mesh-changes": lambda quick: mesh_changes.figures(quick=quick),
    "mesh-continuity": lambda quick: mesh_continuity.figures(quick=quick),
}


def measured(only: str, *, quick: bool) -> Iterator[Figure]:
    """The figures of one part, or of all: then what this machine cannot measure is left out with the reason."""
    for name, part in PARTS.items():
        if only in {"", name}:
            try:
                yield from part(quick)
            except UnsuitableMachineError as error:
                if only:
                    raise SystemExit(f"{name}: {error}") from None
                print(f"{name} is left out: {error}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer samples, smaller sizes")
    parser.add_argument("--only", choices=PARTS, default="", help="one part")
    parser.add_argument("--json", type=Path, help="write the figures here too; others there stay")
    parser.add_argument("--page", action="store_true", help="write them into docs/reference/figures.md")
    options = parser.parse_args()
    figures = []
    print(f"{'figure':58} {'value':>10} {'goal':>10}", flush=True)
    for found in measured(options.only, quick=options.quick):
        figures.append(found)
        print(found.line(), flush=True)
    if options.json:
        figure.save(figures, options.json)
    if options.page:
        figure.save(figures, figure.RECORD)
        figure.write_page()


if __name__ == "__main__":
    main()
