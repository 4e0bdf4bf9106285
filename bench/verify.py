"""`podwire verify` of the shop, from the command to the report: world started, filled, proven and ended."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.world.harness import Home

from bench.figure import Figure

SHOP = Path(__file__).parents[1] / "examples/shop/reach.yaml"
GOAL_SECONDS = 4.0


def figures(*, quick: bool) -> Iterator[Figure]:
    """The median and the slowest of whole runs, each in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder:
        times = [_seconds(Home(Path(folder))) for _ in range(2 if quick else 7)]
    yield Figure("verify of the shop in all, median", statistics.median(times), "s", GOAL_SECONDS)
    yield Figure("verify of the shop in all, slowest", max(times), "s")


def _seconds(home: Home) -> float:
    began = time.perf_counter()
    home.podwire("verify", "--quiet", str(SHOP))
    return time.perf_counter() - began
