"""Pods written through the API server over the wire, against the floor: a server that answers prepared bytes.

    python -m bench.api_writes --pods 10000 --writers 8 --rounds 3

Each sample is a new server on an empty store, in fresh namespaces; what is compared takes turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench import api_objects
from bench.api_server import Served, api_server, floor, make_keys
from bench.isolation import in_sandbox, processor_seconds, proportional_set_size, together
from bench.wire import Connection, accepted, request
from podwire.lab.host.credentials import ADMIN, CONTROLLERS

PAGE = 500


@dataclass(frozen=True)
class Load:
    """What came of writing and listing so many pods."""

    writes_a_second: float
    server_microseconds: float
    """Processor time of the server for a write."""

    bytes_an_object: float = 0.0
    """Memory that the server has taken for an object, with its part of the history."""

    list_seconds: float = 0.0


def sample(pods: int, writers: int, *, durable: bool, folder: str | None = None) -> Load:
    """An empty API server that takes so many pods, then lists them in pages. `folder` is where the store is."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-", dir=folder) as place:
        keys = Path(place)
        make_keys(keys)
        with api_server(keys, keys / "store.db", durable=durable) as served:
            connection = Connection(served)
            api_objects.prepare_namespace(connection)
            before = proportional_set_size(served.pid)
            load = write(served, pods, writers)
            memory = (proportional_set_size(served.pid) - before) / pods
            began = time.perf_counter()
            listed = sum(1 for _ in pages(connection, pods))
            taken = time.perf_counter() - began
            assert listed == -(-pods // PAGE)
            return Load(load.writes_a_second, load.server_microseconds, memory, taken)


def floor_sample(pods: int, writers: int) -> Load:
    """The same requests to a server that answers each with the same bytes."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as place:
        make_keys(Path(place))
        body = json.dumps(api_objects.pod(0)).encode() * 2
        answer = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        with floor(Path(place), lambda _: answer + body) as served:
            return write(served, pods, writers)


def write(served: Served, pods: int, writers: int) -> Load:
    """Create so many pods."""
    return load(served, writers, [_creation(number) for number in range(pods)])


def report_running(served: Served, pods: int, writers: int) -> Load:
    """Report of as many that they run, as their nodes do."""
    return load(served, writers, [_report(number) for number in range(pods)], ADMIN)


def load(served: Served, writers: int, requests: list[bytes], name: str = CONTROLLERS) -> Load:
    """All writers begin together, with connections that stand and requests that are ready."""

    def work(number: int, begin: Callable[[], object]) -> tuple[float, float]:
        connection = Connection(served, name)
        connection.send(request("GET", "/version"))
        begin()
        began = time.perf_counter()
        for one in requests[number::writers]:
            if not accepted(answer := connection.send(one)):
                raise RuntimeError(f"a write was refused: {answer[:500]!r}")
        return began, time.perf_counter()

    used = processor_seconds(served.pid)
    times = together(writers, work)
    used = processor_seconds(served.pid) - used
    seconds = max(end for _, end in times) - min(began for began, _ in times)
    return Load(len(requests) / seconds, used / len(requests) * 1e6)


def _creation(number: int) -> bytes:
    return request("POST", api_objects.PODS, json.dumps(api_objects.pod(number)).encode())


def _report(number: int) -> bytes:
    path = f"{api_objects.PODS}/{api_objects.pod(number)['metadata']['name']}/status"
    body = json.dumps({"status": api_objects.running_status(number)}).encode()
    return request("PATCH", path, body, "application/strategic-merge-patch+json")


def pages(connection: Connection, wanted: int) -> Iterator[list[str]]:
    """The names on each page of the list; raises ValueError where they are not all pods once, at one version."""
    token, names, versions = "", set(), set()
    while True:
        answer = connection.ask("GET", f"{api_objects.PODS}?limit={PAGE}&continue={quote(token)}")
        found = [item["metadata"]["name"] for item in answer["items"]]
        names.update(found)
        versions.add(answer["metadata"]["resourceVersion"])
        yield found
        token = answer["metadata"].get("continue", "")
        if not token:
            break
    if len(names) != wanted or len(versions) != 1:
        raise ValueError(f"the pages show {len(names)} of {wanted} pods, at {len(versions)} versions")


def figures(pods: int, writers: int, rounds: int) -> dict[str, Any]:
    """Medians of all rounds."""
    taken: dict[str, list[Load]] = {"durable": [], "world": [], "floor": []}
    for _ in range(rounds):
        taken["durable"].append(in_sandbox(lambda: sample(pods, writers, durable=True)))
        taken["world"].append(in_sandbox(lambda: sample(pods, writers, durable=False, folder="/run")))
        taken["floor"].append(in_sandbox(lambda: floor_sample(pods, writers)))
    return {
        name: {field.name: statistics.median(getattr(one, field.name) for one in loads) for field in fields(Load)}
        for name, loads in taken.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name, load in figures(options.pods, options.writers, options.rounds).items():
        print(
            f"{name:8} {load['writes_a_second']:6.0f} writes/s, {load['server_microseconds']:4.0f} us of processor, "
            f"{load['bytes_an_object'] / 1024:5.1f} KB an object, listed in {load['list_seconds']:.2f} s"
        )


if __name__ == "__main__":
    main()
