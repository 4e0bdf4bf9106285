"""Metrics as values, and their text for Prometheus (exposition format 0.0.4).

The text is made here and not by prometheus-client: importing that takes 31 modules, 2 MB and 0.15 s of a node's event
loop, and is impossible in a pod whose files have no Python packages. Tests read the text with it.

Source: prometheus.io "Exposition formats"; metrics of the process itself as its client libraries name them.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from podwire import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


Kind = Literal["counter", "gauge", "histogram"]


class Histogram:
    """Observations counted by upper bounds, which rise."""

    def __init__(self, bounds: Iterable[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its name without a suffix, what it means, and a value for each set of labels."""

    name: str
    help: str
    kind: Kind
    samples: tuple[tuple[Mapping[str, str], float | Histogram], ...] = field(default=())


Collect = Callable[[], Iterable[Family]]
"""Reads the values at a scrape."""


def gauge(name: str, text: str, value: float, /, **labels: str) -> Family:
    """A gauge of one value."""
    return Family(name, text, "gauge", ((labels, value),))


def counter(name: str, text: str, value: float, /, **labels: str) -> Family:
    """A counter of one value; its name ends in `_total` by convention."""
    return Family(name, text, "counter", ((labels, value),))


def histogram(name: str, text: str, value: Histogram, /, **labels: str) -> Family:
    """A histogram of one set of labels."""
    return Family(name, text, "histogram", ((labels, value),))


def exposition(families: Iterable[Family]) -> str:
    """The page of these metrics."""
    return "".join(f"{line}\n" for family in families for line in _lines(family))


def of_readiness(*, ready: bool) -> Family:
    """Whether /readyz returns 200."""
    return gauge("podwire_ready", "1 while /readyz returns 200.", float(ready))


def of_process() -> Iterator[Family]:
    """The metrics that every program has: its version, processor time, memory, start, descriptors."""
    used = os.times()
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    boot = next(
        int(line.split()[1]) for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime")
    )
    started = boot + int(stat[19]) / os.sysconf("SC_CLK_TCK")
    resident = int(stat[21]) * os.sysconf("SC_PAGE_SIZE")
    yield gauge("podwire_build_info", "Always 1; the label is podwire's version.", 1, version=__version__)
    yield counter("process_cpu_seconds_total", "Processor time in seconds, user and system.", used.user + used.system)
    yield gauge("process_resident_memory_bytes", "Resident memory in bytes.", resident)
    yield gauge("process_start_time_seconds", "Start of the process, in seconds since 1970.", started)
    yield gauge("process_open_fds", "Open file descriptors.", len(os.listdir("/proc/self/fd")))


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    for labels, value in family.samples:
        if isinstance(value, Histogram):
            yield from _buckets(family.name, labels, value)
        else:
            yield f"{family.name}{_labels(labels)} {_number(value)}"


def _buckets(name: str, labels: Mapping[str, str], value: Histogram) -> Iterator[str]:
    total = 0
    for bound, count in zip((*value.bounds, float("inf")), value.counts, strict=True):
        total += count
        yield f"{name}_bucket{_labels({**labels, 'le': _number(bound)})} {total}"
    yield f"{name}_sum{_labels(labels)} {_number(value.sum)}"
    yield f"{name}_count{_labels(labels)} {total}"


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
