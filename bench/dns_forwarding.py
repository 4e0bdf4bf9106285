"""Names outside of the cluster: kept answers of podwire and CoreDNS under dnsperf in turns, and the time of one.

The time has a floor: that of an echo under the same load, as client, load and server share the processors.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import itertools
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.api_server import api_server, make_keys
from bench.dns import (
    PORTS,
    ROUNDS,
    coredns,
    coredns_server,
    dnsperf,
    echo_server,
    library_paths,
    load,
    podwire_server,
    query_of,
    rate_of,
)
from bench.figure import Figure
from bench.isolation import background, in_sandbox
from podwire.dns.records import A, Record
from podwire.lab.network.upstream_dns import serve_upstream

NAMES = 2_000
UPSTREAM = 5351
TTL_SECONDS = 3600
FORWARD = f"forward . 127.0.0.1:{UPSTREAM}"
COREFILE = f".:{PORTS['podwire']} {{\nkubernetes cluster.local\n{FORWARD}\ncache 30\nloadbalance\n}}\n"
PUBLISHED = 6_700
"""Queries a second of CoreDNS for outside names (github.com/coredns/deployment `kubernetes/Scaling_CoreDNS.md`)."""


def figures(*, quick: bool) -> Iterator[Figure]:
    """Rate of kept answers, and the time of one. Raises NoLoadClientError without dnsperf."""
    found = in_sandbox(_sample, 1 if quick else 5, dnsperf(), coredns())
    own, times, floor = found["rates"]["podwire"], found["times"]["podwire"], found["times"]["echo"]
    name = "DNS, kept answers of other servers"
    yield Figure(f"{name}, one worker", own, "/s", 5 * PUBLISHED, f"CoreDNS {PUBLISHED:,}, published", at_least=True)
    if "CoreDNS" in found["rates"]:
        yield Figure(f"{name}, times CoreDNS's", own / found["rates"]["CoreDNS"], "x", at_least=True)
    yield Figure(f"{name}, one at half load, median", statistics.median(times), "ms")
    yield Figure(f"{name}, one at half load, 99th percentile", _slowest(times), "ms", 1.0)
    yield Figure("DNS, an echo under that load, 99th percentile", _slowest(floor), "ms")


def _sample(seconds: int, client: list[str], coredns: Path | None) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="podwire-bench-")))
        make_keys(folder)
        stack.enter_context(background(_upstream))
        served = stack.enter_context(api_server(folder, folder / "store.db", durable=False))
        peers = {"podwire": stack.enter_context(podwire_server(served, folder, "podwire", corefile=COREFILE))}
        if coredns is not None:
            server = coredns_server(coredns, served, folder, "CoreDNS", 1, plugins=FORWARD)
            peers["CoreDNS"] = stack.enter_context(server)
        file = folder / "queries"
        file.write_text("".join(f"{_name(number)} A\n" for number in range(NAMES)))
        rates: dict[str, list[float]] = {name: [] for name in peers}
        for turn in range(ROUNDS + 1):
            for name, peer in peers.items():
                rate = rate_of(client, file, peer.port, seconds)
                if turn:  # the first round fills caches
                    rates[name].append(rate)
        medians = {name: statistics.median(found) for name, found in rates.items()}
        half = str(int(medians["podwire"] / 2))
        times: dict[str, list[float]] = {}
        ports = {"podwire": peers["podwire"].port, "echo": stack.enter_context(echo_server()).port}
        for name, port in [*ports.items()] * ROUNDS:
            command = load(client, file, port, seconds + 2, "-Q", half)
            with subprocess.Popen(command, env=library_paths(), stdout=subprocess.DEVNULL) as process:
                time.sleep(0.5)
                times.setdefault(name, []).extend(_times(port, seconds))
                process.terminate()
    return {"rates": medians, "times": {name: sorted(taken) for name, taken in times.items()}}


def _slowest(times: list[float]) -> float:
    """The 99th percentile."""
    return times[int(len(times) * 0.99)]


def _name(number: int) -> str:
    return f"host-{number}.outside.test"


def _upstream() -> None:
    records = [Record(_name(n), A(ipaddress.IPv4Address("192.0.2.0") + n % 250)) for n in range(NAMES)]
    asyncio.run(serve_upstream("127.0.0.1", records, port=UPSTREAM, ttl=TTL_SECONDS))


def _times(port: int, seconds: int) -> list[float]:
    """Milliseconds from each query to its answer, one at a time."""
    taken: list[float] = []
    ends = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(5)
        for number in itertools.count():
            if time.monotonic() > ends:
                return taken
            query = query_of(_name(number % NAMES))
            began = time.perf_counter()
            client.send(query)
            client.recv(1500)
            taken.append((time.perf_counter() - began) * 1000)
            time.sleep(0.001)
    raise AssertionError("the count has no end")
