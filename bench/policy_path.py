"""Label changes and pod starts under many policies, through a real API server, watch, agent and CNI plugin.

    python -m bench.policy_path --policies 1000 --changes 500

A change is one of a pod's labels, by which other policies select it and admit it: from the API write to the kernel. A
third of the pods is on the agent's node, the others are on another one. A start is from the call of the CNI plugin to
its end: then all rows of the pod are in the kernel. Pods are network namespaces without programs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection as Channel
from pathlib import Path
from typing import Any

import msgspec
from tests.agent.test_api_away import CONTAINER, FOLDER, PLUGIN, RANGES, cni, uplink
from tests.agent.test_first_packet import bare_host
from tests.agent.test_program import Cluster, eventually, program

from bench.figure import Figure
from bench.isolation import background, in_sandbox
from bench.kernel_watch import Arrivals
from podwire.kube.client import Client
from podwire.kube.kinds import NAMESPACES, NETWORK_POLICIES, NODES, PODS
from podwire.kube.meta import NamespacedName
from podwire.pods.runtime.installation import install

PODS_IN_ALL = 1_000
STARTS_A_SECOND = 100
APPS = 50
SPACE = "shop"


class Measured(msgspec.Struct, frozen=True):
    """Milliseconds of label changes, and of starts with how many there were a second."""

    changes: list[float]
    starts: list[float]
    starts_a_second: float


def sample(pods: int, policies: int, starts: int, changes: int) -> Measured:
    """One agent of one node. Needs a sandbox (bench.isolation)."""
    here, there = Pipe()
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as folder, background(_watch, there):
        there.close()
        return asyncio.run(_measure(Path(folder), (pods, policies, starts, changes), here))


def _watch(pipe: Channel) -> None:
    """Receive an address, and send when it came into the kernel."""
    while address := pipe.recv():
        arrivals = Arrivals()  # one for all would overflow with what is not waited for
        pipe.send("waiting")
        pipe.send(arrivals.of(address))
        arrivals.close()


async def _measure(folder: Path, counts: tuple[int, int, int, int], pipe: Channel) -> Measured:
    pods, policies, starts, changes = counts
    uplink()
    install(PLUGIN)
    cluster = Cluster(folder, "podwire:agent")
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--state-dir", str(FOLDER), *RANGES)
    async with cluster.on() as client:
        await cluster.bind(client)
        await cluster.new_token(client)
        await _populate(client, pods - starts, policies)
        async with program("agent", *arguments, NODE_NAME="a"):
            await eventually("10249/readyz", 200)
            began = time.perf_counter()
            mine = await asyncio.gather(*(_start(client, number) for number in range(starts)))
            seconds = time.perf_counter() - began
            addresses = {f"here-{number}": address for number, (_, address) in enumerate(mine)}
            addresses |= {f"far-{number}": _far(number) for number in range(pods - starts)}
            names = sorted(addresses, key=lambda name: name.partition("-")[2])
            taken = [await _change(client, names[turn % len(names)], addresses, turn, pipe) for turn in range(changes)]
    pipe.send(None)
    return Measured(taken, [each for each, _ in mine], starts / seconds)


async def _populate(client: Client, far: int, policies: int) -> None:
    for name, ranges, address in (("a", "10.244.0.0/22", "172.18.0.2"), ("b", "10.244.128.0/20", "172.18.0.3")):
        await client.create(NODES, {"metadata": {"name": name}, "spec": {"podCIDR": ranges, "podCIDRs": [ranges]}})
        status: dict[str, Any] = {"addresses": [{"type": "InternalIP", "address": address}]}
        await client.patch(NODES, NamespacedName("", name), {"status": status}, "status")
    await client.create(NAMESPACES, {"metadata": {"name": SPACE}})
    for number in range(policies):
        await client.create(NETWORK_POLICIES, _policy(number), SPACE)
    for number in range(far):
        await _create(client, f"far-{number}", "b", number % APPS)
        status = {"phase": "Running", "podIP": _far(number), "podIPs": [{"ip": _far(number)}]}
        await client.patch(PODS, NamespacedName(SPACE, f"far-{number}"), {"status": status}, "status")


def _policy(number: int) -> dict[str, Any]:
    """Pods of one application receive from those of another on a port of the policy's own."""
    peer = {"podSelector": {"matchLabels": {"app": f"a{(number + 1) % APPS}"}}}
    rule = {"from": [peer], "ports": [{"port": 1024 + number}]}
    spec = {"podSelector": {"matchLabels": {"app": f"a{number % APPS}"}}, "ingress": [rule]}
    return {"metadata": {"name": f"p{number}"}, "spec": spec}


async def _create(client: Client, name: str, node: str, app: int) -> str:
    body = {
        "metadata": {"name": name, "labels": {"app": f"a{app}"}},
        "spec": {"nodeName": node, "containers": [CONTAINER]},
    }
    return (await client.create(PODS, body, SPACE)).metadata.uid


def _far(number: int) -> str:
    return f"10.244.{128 + number // 250}.{number % 250 + 2}"


async def _start(client: Client, number: int) -> tuple[float, str]:
    """Start a pod at its time; milliseconds, and its address."""
    host = bare_host(f"here-{number}")
    await asyncio.sleep(number / STARTS_A_SECOND)
    uid = await _create(client, host.name, "a", number % APPS)
    began = time.perf_counter()
    status, result = await cni("ADD", host, uid)
    taken = (time.perf_counter() - began) * 1e3
    if status != 0:
        raise RuntimeError(f"pod {host.name} did not start: {result}")
    return taken, str(result["ips"][0]["address"].partition("/")[0])


async def _change(client: Client, name: str, addresses: dict[str, str], turn: int, pipe: Channel) -> float:
    """Milliseconds of one change; the waiting is another process, as this one is the API server."""
    pipe.send(addresses[name])
    pipe.recv()
    began = time.perf_counter()
    app = (int(name.partition("-")[2]) + 1 + turn % (APPS - 1)) % APPS  # never the one with which it began
    await client.patch(PODS, NamespacedName(SPACE, name), {"metadata": {"labels": {"app": f"a{app}"}}})
    arrived: float = await asyncio.to_thread(pipe.recv)
    return (arrived - began) * 1e3


def figures(*, quick: bool) -> Iterator[Figure]:
    """1,000 pods and 1,000 policies."""
    policies, starts, changes = (200, 100, 60) if quick else (1_000, 300, 500)
    found = in_sandbox(sample, PODS_IN_ALL, policies, starts, changes)
    text = f"a label change, {PODS_IN_ALL:,} pods and {policies:,} policies, API write to kernel"
    yield Figure(f"{text}, median", statistics.median(found.changes), "ms")
    yield Figure(f"{text}, p99", sorted(found.changes)[int(len(found.changes) * 0.99)], "ms", 50.0)
    text = f"pods started at {STARTS_A_SECOND}/s with {policies:,} policies"
    yield Figure(f"{text}, came to", found.starts_a_second, "/s")
    yield Figure(f"{text}, CNI ADD, median", statistics.median(found.starts), "ms")
    yield Figure(f"{text}, CNI ADD, p99", sorted(found.starts)[int(len(found.starts) * 0.99)], "ms")


def main() -> None:
    """Print what was measured as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=PODS_IN_ALL)
    parser.add_argument("--policies", type=int, default=1_000)
    parser.add_argument("--starts", type=int, default=300, help="pods of the agent's own node")
    parser.add_argument("--changes", type=int, default=500)
    options = parser.parse_args()
    found = in_sandbox(sample, options.pods, options.policies, options.starts, options.changes)
    print(json.dumps(msgspec.to_builtins(found)))


if __name__ == "__main__":
    main()
