"""Who can reach whom: time and memory of large clusters, and netpol-analyzer beside it on the same manifests."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import netpol_analyzer
from bench.figure import Figure
from bench.peer_programs import MissingPeerError
from bench.reach_objects import Size, write

ALL_PAIRS = Size(100, 2_000, 5, 2_000)
LARGE = Size(200, 5_000, 20, 5_000)
BESIDE = Size(20, 200, 5, 200)
"""netpol-analyzer takes minutes for ALL_PAIRS."""
SAMPLE = """
import gc, json, resource, sys, time
gc.disable()  # as the command does
from podwire.insight.reach.parties import Parties
from podwire.insight.reach.rows import rows
from podwire.insight.snapshot.planned import snapshot_of
from podwire.insight.sources.reading import read
objects = snapshot_of(read([sys.argv[1]]))
before = time.perf_counter()
found = rows(Parties(objects).answer)
taken = time.perf_counter() - before
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"rows": len(found), "seconds": taken, "kilobytes": used}))
"""


def figures(*, quick: bool) -> Iterator[Figure]:
    """Yield all figures; what needs netpol-analyzer only where it is there."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as name:
        folder = Path(name)
        yield from _sizes(folder, quick=quick)
        try:
            binary = netpol_analyzer.program()
        except MissingPeerError as error:
            print(f"netpol-analyzer is left out: {error}", flush=True)
            return
        yield from _beside(binary, write(BESIDE, folder / "beside"), 1 if quick else 5)


def _sizes(folder: Path, *, quick: bool) -> Iterator[Figure]:
    manifests = write(ALL_PAIRS, folder / "all-pairs")
    samples = [_sample(manifests) for _ in range(1 if quick else 5)]
    seconds = statistics.median(one["seconds"] for one in samples)
    yield Figure(f"reach, all pairs and ports: {ALL_PAIRS}", seconds, "s", 2.0)
    yield Figure("the same, memory with the objects", samples[0]["kilobytes"] / 1024, "MB", 500)
    if not quick:
        manifests = write(LARGE, folder / "large")
        seconds = statistics.median(_sample(manifests)["seconds"] for _ in range(3))
        yield Figure(f"reach, all pairs and ports: {LARGE}", seconds, "s", 10.0)
        yield Figure("the same, podwire reach -o json from start to end", _podwire(manifests)[0], "s", 10.0)


def _beside(binary: Path, manifests: Path, samples: int) -> Iterator[Figure]:
    """Take turns, so that both meet the same load of the machine."""
    own, theirs = [], []
    for _ in range(samples):
        own.append(_podwire(manifests))
        theirs.append(_run(netpol_analyzer.command(binary, manifests)))
    left, right = (statistics.median(taken for taken, _ in found) for found in (own, theirs))
    yield Figure(f"podwire reach, start to end: {BESIDE}", left, "s")
    yield Figure("netpol-analyzer on the same files", right, "s")
    yield Figure("the same, ratio to netpol-analyzer", left / right, "x", 1.0)
    known, found = netpol_analyzer.pairs(theirs[-1][1]), netpol_analyzer.own_pairs(own[-1][1])
    differing = netpol_analyzer.differences(found, known)
    for pair, (ours, their_answer) in list(differing.items())[:5]:
        print(f"differs: {pair}: {ours}, netpol-analyzer {their_answer}", flush=True)
    yield Figure("pairs of workloads that are connected", len(found), "")
    yield Figure("pairs of which netpol-analyzer has another answer", len(differing), "", 0)


def _sample(manifests: Path) -> dict[str, float]:
    ran = subprocess.run([sys.executable, "-c", SAMPLE, str(manifests)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def _podwire(manifests: Path) -> tuple[float, str]:
    return _run([sys.executable, "-m", "podwire", "reach", str(manifests), "-o", "json"])


def _run(command: list[str]) -> tuple[float, str]:
    before = time.perf_counter()
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - before, ran.stdout
