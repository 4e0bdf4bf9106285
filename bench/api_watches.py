"""How soon watchers receive writes, over the wire: from the moment a writer sends to the receipt of the whole event.

    python -m bench.api_watches --watchers 100 --rate 200 --seconds 10

The writers keep to a timetable, whatever the server does; all watchers live in one process, with nothing but TLS.
"""

from __future__ import annotations

import argparse
import json
import re
import selectors
import ssl
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection as Channel
from pathlib import Path
from typing import Any

from bench import api_objects, api_writes
from bench.api_server import Served, api_server, make_keys
from bench.isolation import background, in_sandbox, processor_seconds, proportional_set_size, together
from bench.wire import CHUNK, Connection, accepted, request

WRITERS = 8
STAMP = "bench.example.com/sent"
MERGE_PATCH = "application/merge-patch+json"
PATIENCE_SECONDS = 60.0

_STAMPED = re.compile(rb'"%s":"(\d+)"' % STAMP.encode())


@dataclass(frozen=True)
class Delivery:
    """Times from a writer's sending to a watcher's receipt, in milliseconds, of all events to all watchers."""

    median: float
    p99: float
    slowest: float
    writes_a_second: float
    """What the writers came to."""

    bytes_a_watcher: float
    server_microseconds: float
    """Processor time of the server for a delivery, with its part of the write."""


def sample(watchers: int, rate: float, seconds: float, pods: int) -> Delivery:
    """So many watchers of so many pods, some of which are changed at this rate for a time."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-", dir="/run") as place:
        keys = Path(place)
        make_keys(keys)
        with api_server(keys, keys / "store.db", durable=False) as served:
            connection = Connection(served)
            api_objects.prepare_namespace(connection)
            api_writes.write(served, pods, WRITERS)
            version = connection.ask("GET", f"{api_objects.PODS}?limit=1")["metadata"]["resourceVersion"]
            return _deliver(served, watchers, version, int(rate * seconds), rate)


def _deliver(served: Served, watchers: int, version: str, writes: int, rate: float) -> Delivery:
    here, there = Pipe()
    before = proportional_set_size(served.pid)
    with background(_watch, served, watchers, version, writes, there):
        _expect(here, "watching")
        memory = (proportional_set_size(served.pid) - before) / watchers
        used = processor_seconds(served.pid)
        times = together(WRITERS, lambda number, begin: _write_on_time(served, number, begin, (writes, rate)))
        taken: list[float] = _expect(here, "times")
        used = processor_seconds(served.pid) - used
    span = max(end for _, end in times) - min(began for began, _ in times)
    cuts = statistics.quantiles(taken, n=100)
    return Delivery(cuts[49], cuts[98], max(taken), writes / span, memory, used / len(taken) * 1e6)


def _expect(pipe: Channel, what: str) -> Any:
    if not pipe.poll(PATIENCE_SECONDS):
        raise TimeoutError(f"the watchers sent no {what} within {PATIENCE_SECONDS:g} s")
    return pipe.recv()


def _write_on_time(
    served: Served, number: int, begin: Callable[[], object], timetable: tuple[int, float]
) -> tuple[float, float]:
    """One writer's share: every WRITERS-th write, at its time or as soon as the one before it is answered."""
    connection, (writes, rate) = Connection(served), timetable
    begin()
    began = time.monotonic()
    for turn in range(number, writes, WRITERS):
        time.sleep(max(0.0, began + turn / rate - time.monotonic()))
        path = f"{api_objects.PODS}/{api_objects.pod(turn)['metadata']['name']}"
        change = {"metadata": {"annotations": {STAMP: str(time.monotonic_ns())}}}
        answer = connection.send(request("PATCH", path, json.dumps(change).encode(), MERGE_PATCH))
        if not accepted(answer):
            raise RuntimeError(f"a write was refused: {answer[:500]!r}")
    return began, time.monotonic()


def _watch(served: Served, watchers: int, version: str, writes: int, pipe: Channel) -> None:
    """Open all streams, say so, and send the times of all deliveries when every watcher heard of every write."""
    ready, streams = selectors.DefaultSelector(), [_open(served, version) for _ in range(watchers)]
    for stream in streams:
        stream.setblocking(False)
        ready.register(stream, selectors.EVENT_READ, [b""])
    pipe.send("watching")
    taken: list[float] = []
    while len(taken) < watchers * writes:
        for key, _ in ready.select():
            _receive(key.fileobj, key.data, taken)
    pipe.send(taken)


def _open(served: Served, version: str) -> ssl.SSLSocket:
    connection = Connection(served)
    connection.socket.sendall(request("GET", f"{api_objects.PODS}?watch=true&resourceVersion={version}"))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.socket.recv(1)
    if not accepted(head):
        raise RuntimeError(f"a watch was refused: {head!r}")
    return connection.socket


def _receive(stream: Any, parts: list[bytes], taken: list[float]) -> None:
    """Take what a stream has, and the times of the events that are whole; the rest stays in `parts`."""
    try:
        while data := stream.recv(CHUNK):
            parts.append(data)
    except ssl.SSLWantReadError:
        pass
    else:
        raise ConnectionError("the server ended a watch")
    now = time.monotonic_ns()
    lines, _, rest = b"".join(parts).rpartition(b"\n")
    parts[:] = [rest]
    taken += ((now - int(found)) / 1e6 for found in _STAMPED.findall(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watchers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pods", type=int, default=10_000)
    options = parser.parse_args()
    found = in_sandbox(sample, options.watchers, options.rate, options.seconds, options.pods)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
