"""The cost of podwire's rules for packets: connections between pods, and packets that are no pod's.

Two kinds of samples, each in fresh namespaces: a router with the rules of pods, Services and policies between two
namespaces. `pods`: both are pods of the node, the server isolated by a policy that admits the client; median time of a
TCP connect. `passing`: neither is a pod; nanoseconds of an established UDP packet.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import struct
import time
from typing import Any

from tests.policy.cluster import Cluster, namespace, pod
from tests.policy.test_packets import Enforced
from tests.policy.wire import Wire

from bench.isolation import in_sandbox
from podwire.kernel.namespaces import enter_network, inside_network
from podwire.kernel.nftables import Nftables
from podwire.pods.sink import PodSetSink
from podwire.services.sink import ServiceSink

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
WARM_UP = 2_000
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER: close at once, as connections in TIME_WAIT slow later ones."""


def load_rules(rules: bool) -> None:
    """Load all rules of a node into the network namespace that this thread is in."""

    async def load() -> None:
        await PodSetSink.cluster_here().read()
        await ServiceSink.here().read()

    if rules:
        asyncio.run(load())


def connect_microseconds(rules: bool, count: int) -> float:
    """The median time of a TCP connect from one pod to another."""
    wire = Wire({"x/a": CLIENT, "x/b": SERVER})
    enter_network(wire.node.path)
    load_rules(rules)
    if rules:
        isolate()
    samples = []
    with inside_network(wire.hosts["x/b"].path):
        server = socket.create_server((SERVER, 90))
    with inside_network(wire.hosts["x/a"].path):
        for _ in range(count):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            start = time.perf_counter_ns()
            client.connect((SERVER, 90))
            samples.append(time.perf_counter_ns() - start)
            server.accept()[0].close()
            client.close()
    return statistics.median(samples[count // 10 :]) / 1000


def isolate() -> None:
    """A policy that admits the client to the server. pods.nft must know both as pods to let them send."""
    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", CLIENT), pod("x/b", SERVER))
    spec = "{podSelector: {matchLabels: {pod: b}}, ingress: [{from: [{podSelector: {matchLabels: {pod: a}}}]}]}"
    cluster.policy("x/p", spec)
    asyncio.run(Enforced().enforce(cluster))
    elements = ", ".join(f"pw{number} . {address}" for number, address in enumerate((CLIENT, SERVER)))
    # The wire has neighbours that ask; podwire's pods have fixed ones.
    Nftables().run(f"add element inet podwire-pods sources4 {{ {elements} }}; delete table arp podwire-pods")


def packet_nanoseconds(rules: bool, count: int) -> float:
    """The time of a UDP packet of an established flow through a node, between two that are no pods."""
    wire = Wire({})
    wire.plug("outside/a", CLIENT, "eth1")
    wire.plug("outside/b", SERVER, "eth2")
    enter_network(wire.node.path)
    load_rules(rules)
    if rules:
        asyncio.run(Enforced().enforce(Cluster()))
    with inside_network(wire.hosts["outside/a"].path):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with inside_network(wire.hosts["outside/b"].path):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((SERVER, 5000))
    client.connect((SERVER, 5000))
    client.send(b"first")
    _, peer = server.recvfrom(64)
    server.sendto(b"answer", peer)
    assert client.recv(64) == b"answer"
    server.close()  # nobody reads: the packet's way ends at the server's socket look-up
    with inside_network(wire.hosts["outside/b"].path):
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sink.bind((SERVER, 5000))
    for _ in range(WARM_UP):
        client.send(b"x")
    start = time.perf_counter_ns()
    for _ in range(count):
        client.send(b"x")
    return (time.perf_counter_ns() - start) / count


def figures(rounds: int, connects: int, packets: int) -> dict[str, Any]:
    """Samples in turns; the median of connects, the minimum of packets."""
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for rules in (False, True):
            name = "rules" if rules else "none"
            found.setdefault(f"connect us, {name}", []).append(in_sandbox(connect_microseconds, rules, connects))
            found.setdefault(f"packet ns, {name}", []).append(in_sandbox(packet_nanoseconds, rules, packets))
    return {key: round(statistics.median(values) if "us" in key else min(values), 1) for key, values in found.items()}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connects", type=int, default=5_000)
    parser.add_argument("--packets", type=int, default=100_000)
    options = parser.parse_args()
    print(json.dumps(figures(options.rounds, options.connects, options.packets), indent=2))


if __name__ == "__main__":
    main()
