"""Many policies: connections under them over connections of no pods, and what a change of labels or of a policy costs.

Rates: each sample is a fresh node. The server's pod is selected by so many NetworkPolicies, which admit 20 ports each,
and by so many ClusterNetworkPolicies; two other machines behind the same node are no pods, so that connection tracking
alone sees theirs. Short runs of both take turns, at real-time priority where root allows it; the ratio is the median of
the ratios of all pairs of runs. A change: from the watch event to the kernel, without the API server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import socket
import statistics
import time
from collections.abc import Iterator

from tests.policy.cluster import Cluster, cluster_policy, namespace, network_policy, pod
from tests.policy.test_packets import Enforced
from tests.policy.wire import Wire

from bench.connections import POD_PORT, answer, connect
from bench.figure import Figure
from bench.isolation import background, in_prior_sandbox, in_sandbox
from podwire.engine.table import Table
from podwire.kernel.namespaces import enter_network, inside_network
from podwire.kube.core import Pod
from podwire.kube.network_policy_api import ClusterNetworkPolicy
from podwire.policy.rows import Row
from podwire.policy.sink import PolicySink
from podwire.policy.view import Owner

CLIENT, SERVER, OTHER = "10.0.0.1", "10.0.0.2", "10.0.0.3"
LEFT, RIGHT = "192.0.2.1", "192.0.2.2"
PORTS_OF_POLICY = 20
RUN = 10
"""Connections in a row: 2 ms, so that both runs of a pair see the same machine."""

WARM_UP = 20
PODS, POLICIES = 1_000, 1_000
NAMESPACES = 20


def ratio(policies: int, cluster_policies: int, turns: int) -> float:
    """Connections a second under policies over those of no pods. Needs a sandbox (bench.isolation)."""
    wire = Wire({"x/a": CLIENT, "x/b": SERVER, "x/c": OTHER}, ports=())
    wire.plug("out/a", LEFT, "eth1")
    wire.plug("out/b", RIGHT, "eth2")
    enter_network(wire.node.path)
    cluster = Cluster()
    cluster.add(namespace("x"), pod("x/a", CLIENT), pod("x/b", SERVER), pod("x/c", OTHER))
    cluster.add(*(network_policy(f"x/p{number}", _admitting(number)) for number in range(policies)))
    cluster.policy("x/served", _policy(f"[{{port: {POD_PORT}}}]"))
    cluster.add(*(cluster_policy(f"c{number}", _passing(number)) for number in range(cluster_policies)))
    asyncio.run(Enforced().enforce(cluster))
    listeners = []
    for host, address in (("x/b", SERVER), ("out/b", RIGHT)):
        with inside_network(wire.hosts[host].path):
            listeners.append(socket.create_server((address, POD_PORT), backlog=256))
    gc.freeze()
    with background(answer, listeners[0]), background(answer, listeners[1]):
        ratios = [_pair(wire, turn) for turn in range(WARM_UP + turns)]
    return statistics.median(ratios[WARM_UP:])


def _pair(wire: Wire, turn: int) -> float:
    seconds = {}
    pairs = [("x/a", SERVER), ("out/a", RIGHT)]
    for host, address in pairs if turn % 2 else reversed(pairs):
        with inside_network(wire.hosts[host].path):
            began = time.perf_counter()
            connect((address, POD_PORT), RUN)
            seconds[host] = time.perf_counter() - began
    return seconds["out/a"] / seconds["x/a"]


def _admitting(number: int) -> str:
    """Policy `number` admits 20 ports that no other one does, and that have no neighbours: each is a row."""
    peer, protocol = "ac"[number % 2], ("TCP", "UDP")[number // 2 % 2]
    first = number // 4 * PORTS_OF_POLICY
    numbers = (2 * (first + step) + 1 for step in range(PORTS_OF_POLICY))
    return _policy("[" + ", ".join(f"{{protocol: {protocol}, port: {port}}}" for port in numbers) + "]", peer)


def _policy(ports: str, peer: str = "a") -> str:
    selector = f"{{podSelector: {{matchLabels: {{pod: {peer}}}}}}}"
    return f"{{podSelector: {{matchLabels: {{pod: b}}}}, ingress: [{{from: [{selector}], ports: {ports}}}]}}"


def _passing(number: int) -> str:
    port = 1 + number
    return (
        f"{{tier: Admin, priority: {number % 1000}, subject: {{namespaces: {{}}}}, ingress: [{{action: Deny,"
        f" from: [{{namespaces: {{}}}}], protocols: [{{sctp: {{destinationPort: {{number: {port}}}}}}}]}}]}}"
    )


def changes(times: int) -> tuple[list[float], float]:
    """Milliseconds of changes of a label, and of a ClusterNetworkPolicy that selects all pods. Needs a sandbox."""
    cluster = Cluster()
    cluster.add(*(namespace(f"n{number}", team=f"t{number % 5}") for number in range(NAMESPACES)))
    pods = [_pod(number, f"a{number // NAMESPACES % 50}") for number in range(PODS)]
    cluster.add(*pods)
    for number in range(POLICIES):
        app, other = f"a{number // NAMESPACES % 50}", f"a{(number // NAMESPACES + 1) % 50}"
        peer = f"{{podSelector: {{matchLabels: {{app: {other}}}}}}}"
        spec = f"{{podSelector: {{matchLabels: {{app: {app}}}}}, ingress: [{{from: [{peer}]}}]}}"
        cluster.policy(f"n{number % NAMESPACES}/p{number}", spec)
    return asyncio.run(_changes(cluster, times))


async def _changes(cluster: Cluster, times: int) -> tuple[list[float], float]:
    table: Table[Owner, Row] = Table()
    sink = PolicySink.here()
    table.observe(await sink.read())

    async def apply(*objects: Pod | ClusterNetworkPolicy) -> float:
        began = time.perf_counter()
        cluster.add(*objects)
        owners = set(cluster.dirty)
        cluster.settle()
        for owner in owners:
            table.replace(owner, cluster.rows[owner])
        delta = table.delta(prune=True)
        await sink.write(delta)
        table.written(delta)
        return (time.perf_counter() - began) * 1000

    await apply()
    labels = []
    for turn in range(times):
        app = f"a{(turn // NAMESPACES + 7 + turn // PODS) % 50}"
        labels.append(await apply(_pod(turn % PODS, app)))
    return labels, await apply(cluster_policy("all", _passing(0)))


def _pod(number: int, app: str) -> Pod:
    address = f"10.{1 + number // 60_000}.{number // 250 % 250}.{number % 250 + 1}"
    return pod(f"n{number % NAMESPACES}/p{number}", address, labels=f"app={app}")


def figures(*, quick: bool) -> Iterator[Figure]:
    """The ratios and the times of changes."""
    turns = 500 if quick else 2_000
    for policies, cluster_policies in ((10, 0), (10, 10), (5_000, 0), (5_000, 1_000)):
        found = [in_prior_sandbox(ratio, policies, cluster_policies, turns) for _ in range(1 if quick else 3)]
        rows = policies * PORTS_OF_POLICY
        text = f"connections/s, {policies:,}+{cluster_policies:,} policies, {rows:,} rows : none"
        yield Figure(text, statistics.median(found), "x", 0.97, at_least=True)
    labels, policy = in_sandbox(changes, 100 if quick else 500)
    text = f"a label change, {PODS:,} pods and {POLICIES:,} policies, event to kernel"
    yield Figure(f"{text}, median", statistics.median(labels), "ms")
    yield Figure(f"{text}, p99", sorted(labels)[int(len(labels) * 0.99)], "ms", 50.0)
    yield Figure(f"a ClusterNetworkPolicy that selects {PODS:,} pods, event to kernel", policy, "ms", 100.0)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for figure in figures(quick=options.quick):
        print(json.dumps({"name": figure.name, "value": figure.value}), flush=True)


if __name__ == "__main__":
    main()
