"""Endpoints that change all the time: from each API write to the kernel, and what it costs the agent.

    python -m bench.churn --services 5000 --rate 200 --seconds 60

Every change gives one endpoint an address that none had before. The writers keep to a timetable, whatever the server
does; a change begins when its request is sent and ends when the kernel reports the address.
"""

from __future__ import annotations

import argparse
import errno
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from multiprocessing import Pipe
from multiprocessing.connection import Connection as Channel
from pathlib import Path

from bench import service_objects
from bench.api_server import Served
from bench.figure import Figure
from bench.isolation import background, in_root_sandbox, together
from bench.kernel_watch import Arrivals
from bench.node_proxies import NodeProxy, agent, node_proxy
from bench.proxies import serving
from bench.wire import Connection, accepted

WRITERS = 4
LOST_AFTER_SECONDS = 20.0
SETTLING = 0.5
"""The part of the run after which memory must not grow any more: by then every Service has changed once."""

_FRESH = re.compile(rb"\x0a\xef..", re.DOTALL)


@dataclass(frozen=True)
class Churn:
    """Milliseconds of all changes, and what the agent took meanwhile."""

    median: float
    p99: float
    slowest: float
    changes_a_second: float
    processor_share: float
    """Of one core, in percent."""

    growth: float
    """Megabytes, from the settling on."""


@dataclass(frozen=True)
class Timetable:
    """So many changes a second for a time."""

    rate: float
    seconds: float

    @property
    def changes(self) -> int:
        """All of them."""
        return int(self.rate * self.seconds)


def sample(services: int, endpoints: int, timetable: Timetable) -> Churn:
    """One agent that follows the changes. Needs a sandbox (bench.isolation)."""
    with serving(services, endpoints) as served, node_proxy(served, agent) as node:
        node.cold_seconds(services * endpoints)
        return _follow(served, node, timetable, services, endpoints)


def _follow(served: Served, node: NodeProxy, timetable: Timetable, services: int, endpoints: int) -> Churn:
    prepared = [
        service_objects.change(turn * 7919 % services, endpoints, service_objects.fresh_address(turn))
        for turn in range(timetable.changes)
    ]
    here, there = Pipe()
    memory, memory_there = Pipe()
    with (
        background(_watch, node.host.path, timetable.changes, there),
        background(_weigh, node, timetable.seconds, memory_there),
    ):
        here.recv()
        used, began = node.processor_seconds(), time.perf_counter()
        written = together(WRITERS, lambda number, begin: _write(served, number, begin, prepared, timetable.rate))
        share = (node.processor_seconds() - used) / (time.perf_counter() - began)
        arrived: dict[int, float] = here.recv()
        growth: float = memory.recv()
    sent = {turn: moment for part in written for turn, moment in part.items()}
    taken = [(arrived[turn] - moment) * 1e3 for turn, moment in sent.items()]
    span = max(sent.values()) - min(sent.values())
    cuts = statistics.quantiles(taken, n=100)
    return Churn(cuts[49], cuts[98], max(taken), len(sent) / span, share * 100, growth)


def _write(
    served: Served, number: int, begin: Callable[[], object], prepared: list[bytes], rate: float
) -> dict[int, float]:
    """One writer's share: every WRITERS-th change. Return when each was sent."""
    connection, sent = Connection(served), {}
    begin()
    began = time.perf_counter()
    for turn in range(number, len(prepared), WRITERS):
        time.sleep(max(0.0, began + turn / rate - time.perf_counter()))
        sent[turn] = time.perf_counter()
        if not accepted(answer := connection.send(prepared[turn])):
            raise RuntimeError(f"a change was refused: {answer[:500]!r}")
    return sent


def _watch(namespace: Path, changes: int, pipe: Channel) -> None:
    """Send when each address came into the kernel, once all have."""
    arrivals, arrived = Arrivals(namespace), dict[int, float]()
    turns = {IPv4Address(service_objects.fresh_address(turn)).packed: turn for turn in range(changes)}
    pipe.send("listening")
    deadline = time.perf_counter() + 2 * LOST_AFTER_SECONDS
    while len(arrived) < changes:
        try:
            report = arrivals.next(deadline)
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                raise RuntimeError("notifications of the kernel were lost: this machine is too busy") from error
            raise
        now = time.perf_counter()
        deadline = now + LOST_AFTER_SECONDS
        for address in _FRESH.findall(report):
            if (turn := turns.get(address)) is not None:
                arrived.setdefault(turn, now)
    pipe.send(arrived)


def _weigh(node: NodeProxy, seconds: float, pipe: Channel) -> None:
    """Send how many megabytes the agent has grown since it settled."""
    time.sleep(seconds * SETTLING)
    before = node.megabytes()
    time.sleep(seconds * (1 - SETTLING))
    pipe.send(node.megabytes() - before)


def figures(*, quick: bool) -> Iterator[Figure]:
    """200 changes a second at 5,000 Services for a minute. Raises NotRootError."""
    services, timetable = (1_000, Timetable(200, 10)) if quick else (5_000, Timetable(200, 60))
    found = in_root_sandbox(sample, services, 10, timetable)
    name = f"{timetable.rate:g} endpoint changes/s at {services:,} services"
    yield Figure(f"{name}, came to", found.changes_a_second, "/s")
    yield Figure(f"{name}, API write to kernel, median", found.median, "ms")
    yield Figure(f"{name}, API write to kernel, 99th percentile", found.p99, "ms", 50)
    yield Figure(f"{name}, agent's share of a core", found.processor_share, "%", 25)
    yield Figure(f"{name}, growth of the agent's memory", found.growth, "MB", 1)


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=5_000)
    parser.add_argument("--endpoints", type=int, default=10, help="of each Service")
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    timetable = Timetable(options.rate, options.seconds)
    print(json.dumps(asdict(in_root_sandbox(sample, options.services, options.endpoints, timetable)), indent=2))


if __name__ == "__main__":
    main()
