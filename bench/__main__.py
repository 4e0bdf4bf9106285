"""All figures of podwire, against its goals: `make bench`, or `python -m bench [--quick] [--json FILE]`.

Each sample of a world is a whole world, started and ended by the command line in a folder of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.world.harness import Home

from bench import endpoint_change, services, world


@dataclass(frozen=True)
class Figure:
    """One measured value beside its goal; `better` is the published value of a peer, where there is one."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    peer: str = ""

    @property
    def verdict(self) -> str:
        """Whether the goal is met."""
        if self.goal is None:
            return ""
        return "met" if self.value <= self.goal else "MISSED"


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer samples, smaller sizes")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    figures = []
    print(f"{'figure':58} {'value':>10} {'goal':>8}", flush=True)
    for figure in (
        *world_figures(3 if options.quick else 7, (100, 1_000) if options.quick else (100, 10_000)),
        *service_figures(quick=options.quick),
    ):
        figures.append(figure)
        goal = "" if figure.goal is None else f"{figure.goal:g}"
        line = f"{figure.name:58} {figure.value:8.2f} {figure.unit:2}{goal:>8}  {figure.verdict}"
        print(f"{line}  {figure.peer}".rstrip(), flush=True)
    if options.json:
        rows = [{"name": f.name, "value": f.value, "unit": f.unit, "goal": f.goal} for f in figures]
        options.json.write_text(json.dumps({"machine": world.processors(), "figures": rows}, indent=2))


if __name__ == "__main__":
    main()
