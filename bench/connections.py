"""Connections and throughput through a ClusterIP, over the same to the pod's address.

Each sample is a fresh node with podwire's rules and so many Services, between a client's and a server's pod.
Connections to the Service and to the pod take turns in short runs, so that a busy moment of the machine hits both; the
ratio is the median of the ratios of all pairs of runs. A connection is: connect, send a request, receive the answer,
close.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from tests.policy.wire import Wire
from tests.services.objects import service, slice_of

from bench.datapath import ABORT, CLIENT, SERVER, isolate
from bench.figure import Figure
from bench.isolation import background, in_sandbox
from bench.services import Cluster
from podwire.kernel.namespaces import enter_network, inside_network
from podwire.pods.sink import PodSetSink

SERVICE = "10.96.255.1"
POD_PORT, TARGET_PORT = 8000, 8001
"""Two ports of the same server: no connection to the Service meets the traces of one to the pod."""

SIZES = (10, 1_000, 10_000)
RUN = 50
"""Connections in a row to the same target."""

STREAM_BYTES = 1 << 28
CHUNK = 1 << 20
PIECE, REQUEST = bytes(CHUNK), b"GET / HTTP/1.1\r\n\r\n"
WARM_UP = 3


@dataclass(frozen=True)
class Ratio:
    """What goes through the Service in a second, over what goes to the pod."""

    connections: float
    throughput: float


Target = tuple[str, int]


def sample(services: int, runs: int, streams: int) -> Ratio:
    """Both kinds on one node. Needs a sandbox (bench.isolation)."""
    wire = Wire({"x/a": CLIENT, "x/b": SERVER}, ports=())
    enter_network(wire.node.path)
    asyncio.run(_load(services))
    isolate()
    with inside_network(wire.hosts["x/b"].path):
        pod, target = (socket.create_server((SERVER, port), backlog=256) for port in (POD_PORT, TARGET_PORT))
    with background(answer, pod), background(answer, target), inside_network(wire.hosts["x/a"].path):
        return Ratio(_ratio(connect, runs), _ratio(_stream, streams))


async def _load(services: int) -> None:
    """The rules of pods, and so many Services of 10 endpoints with the one that is measured among them."""
    await PodSetSink.cluster_here().read()
    cluster = Cluster(services - 1, 10)
    cluster.services.append(service("measured", SERVICE))
    cluster.slices.append(slice_of("measured", SERVER, ports=(str(TARGET_PORT),)))
    await cluster.start()
    await cluster.load()


def answer(listener: socket.socket) -> None:
    """Serve one connection after the other: a stream is read to its end and counted, a request is answered."""
    buffer = bytearray(CHUNK)
    while True:
        connection, _ = listener.accept()
        with connection:
            received = first = connection.recv_into(buffer)
            while received < STREAM_BYTES and first > len(REQUEST):
                received += connection.recv_into(buffer) or STREAM_BYTES
            connection.sendall(REQUEST)


def _ratio(run: Callable[[Target], None], turns: int) -> float:
    """Runs to the Service and to the pod in turns: the time of the pod's over that of the Service's."""
    targets: tuple[Target, Target] = ((SERVICE, 80), (SERVER, POD_PORT))
    ratios = []
    for turn in range(WARM_UP + turns):
        taken = {}
        for target in targets if turn % 2 else reversed(targets):
            began = time.perf_counter()
            run(target)
            taken[target] = time.perf_counter() - began
        ratios.append(taken[targets[1]] / taken[targets[0]])
    return statistics.median(ratios[WARM_UP:])


def connect(target: Target, times: int = RUN) -> None:
    for _ in range(times):
        with _client(target) as client:
            client.sendall(REQUEST)
            client.recv(len(REQUEST))


def _stream(target: Target) -> None:
    with _client(target) as client:
        for _ in range(STREAM_BYTES // CHUNK):
            client.sendall(PIECE)
        client.recv(len(REQUEST))


def _client(target: Target) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    client.connect(target)
    return client


def figures(*, quick: bool) -> Iterator[Figure]:
    """The ratios at each number of Services: medians of samples on new nodes."""
    for services in SIZES[: 2 if quick else None]:
        found = [
            in_sandbox(sample, services, 100 if quick else 400, 10 if quick else 30) for _ in range(1 if quick else 3)
        ]
        name = f"through a ClusterIP : to the pod, {services:,} services"
        yield Figure(
            f"connections/s {name}", statistics.median(one.connections for one in found), "x", 0.95, at_least=True
        )
        yield Figure(f"one stream {name}", statistics.median(one.throughput for one in found), "x", 0.97, at_least=True)


def main() -> None:
    """Print the ratios as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=10)
    parser.add_argument("--runs", type=int, default=400, help=f"of {RUN} connections each")
    parser.add_argument("--streams", type=int, default=30)
    options = parser.parse_args()
    print(json.dumps(asdict(in_sandbox(sample, options.services, options.runs, options.streams))))


if __name__ == "__main__":
    main()
