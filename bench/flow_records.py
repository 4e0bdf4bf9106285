"""Connections between pods while others are dropped, with flow records over the same without.

Each sample is a fresh node: a client that a policy admits, and another that sends datagrams which it forbids, more than
are recorded. Runs of connections with an agent's reader of the log and without one take turns, so that a busy moment of
the machine hits both; the ratio is the median of the ratios of all pairs of runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import select
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from tests.policy.cluster import Cluster, namespace, pod
from tests.policy.flows.packets import OneService
from tests.policy.test_packets import Enforced
from tests.policy.wire import Wire

from bench.connections import POD_PORT, RUN, Target, answer, connect
from bench.figure import Figure
from bench.isolation import background, in_prior_sandbox
from podwire.agent.flow_records import GROUP
from podwire.kernel.namespaces import enter_network, inside_network
from podwire.kernel.packet_log import PacketLog
from podwire.policy.flows.describing import Scene
from podwire.policy.flows.journal import Journal
from podwire.policy.flows.recorder import FlowRecorder

CLIENT, SERVER, OTHER = "10.0.0.1", "10.0.0.2", "10.0.0.3"
ADMIT = "{podSelector: {matchLabels: {pod: b}}, ingress: [{from: [{podSelector: {matchLabels: {pod: a}}}]}]}"
DROPS_A_SECOND = 1000
WARM_UP = 3


def sample(runs: int) -> float:
    """The rate with records over that without. Needs a sandbox (bench.isolation)."""
    wire = Wire({"x/a": CLIENT, "x/b": SERVER, "x/c": OTHER}, ports=())
    enter_network(wire.node.path)
    cluster = Cluster()
    pods = [pod("x/a", CLIENT), pod("x/b", SERVER), pod("x/c", OTHER)]
    cluster.add(namespace("x"), *pods)
    cluster.policy("x/p", ADMIT)
    asyncio.run(Enforced().enforce(cluster))
    scene = Scene("node-1", cluster.view, {one.key: one for one in pods}, OneService())
    with inside_network(wire.hosts["x/b"].path):
        listener = socket.create_server((SERVER, POD_PORT), backlog=256)
    with inside_network(wire.hosts["x/c"].path):
        forbidden = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mine, theirs = Pipe()
    with (
        background(answer, listener),
        background(_send, forbidden),
        background(_record, scene, theirs),
        inside_network(wire.hosts["x/a"].path),
    ):
        return _ratio(mine, (SERVER, POD_PORT), runs)


def _send(client: socket.socket) -> None:
    """Send datagrams that are dropped, to all ports in turn: each is an attempt of its own."""
    for number in range(1 << 40):
        client.sendto(b"x", (SERVER, 1 + number % 60_000))
        time.sleep(1 / DROPS_A_SECOND)


def _record(scene: Scene, pipe: Connection) -> None:
    """Record as an agent does while the other end of the pipe wants it."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = FlowRecorder(scene, Journal(Path(folder)), lambda *_: None)
        while pipe.recv():
            log = PacketLog(GROUP)
            pipe.send(True)
            while not pipe.poll():
                select.select([log.fileno(), pipe.fileno()], [], [])
                for packet in log.take(8):
                    recorder.packet(packet, time.time())
            log.close()
            pipe.recv()
            pipe.send(True)


def _ratio(pipe: Connection, target: Target, turns: int) -> float:
    ratios = []
    for turn in range(WARM_UP + turns):
        taken = {}
        for recording in (True, False) if turn % 2 else (False, True):
            with _recording(pipe) if recording else contextlib.nullcontext():
                began = time.perf_counter()
                connect(target)
                taken[recording] = time.perf_counter() - began
        ratios.append(taken[False] / taken[True])
    return statistics.median(ratios[WARM_UP:])


@contextlib.contextmanager
def _recording(pipe: Connection) -> Iterator[None]:
    pipe.send(True)
    pipe.recv()
    try:
        yield
    finally:
        pipe.send(True)
        pipe.recv()


def figures(*, quick: bool) -> Iterator[Figure]:
    """The ratio: the median of samples on new nodes."""
    found = [in_prior_sandbox(sample, 100 if quick else 400) for _ in range(1 if quick else 3)]
    text = f"connections/s with flow records, {DROPS_A_SECOND:,} drops/s : without"
    yield Figure(text, statistics.median(found), "x", 0.97, at_least=True)


def main() -> None:
    """Print the ratio as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help=f"of {RUN} connections each")
    print(json.dumps({"ratio": in_prior_sandbox(sample, parser.parse_args().runs)}))


if __name__ == "__main__":
    main()
