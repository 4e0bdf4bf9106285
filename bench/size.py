"""One agent in a large cluster: what it takes of memory, processor time and the network, with a real kube-apiserver.

    python -m bench.size --services 5000 --rounds 1

The objects of all nodes, pods and Services are in the API server; one node of them is here, with its own pods attached
by the CNI plugin. kube-proxy, which reads Services and slices alone, takes turns with the agent on the same objects.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import kube_api_server
from bench.api_server import Served, make_keys
from bench.cluster_objects import Cluster, Size, Templates
from bench.figure import Figure
from bench.isolation import in_root_sandbox
from bench.kube_api_server import Api, Store
from bench.node_proxies import (
    API_ADDRESS,
    PATIENCE_SECONDS,
    Command,
    NodeProxy,
    agent,
    join_network,
    kube_proxy,
    node_proxy,
)
from bench.peer_programs import built
from podwire.agent.config import METRICS_PORT
from podwire.kernel import namespaces
from podwire.pods.runtime import installation
from tools.conformance import programs

PEER, OURS = "kube-proxy", "podwire"
COMMANDS: dict[str, Command] = {OURS: agent, PEER: kube_proxy}
PLUGIN = Path(installation.__file__).with_name("plugin.py")
SERVICE_RANGE = "10.96.0.0/16"
IDLE_SECONDS, CHURN_SECONDS = 30.0, 30.0
PODS_A_SECOND = 50
TICKS_A_SECOND = 5
STATES = ("created", "bound", "started", "ready")
SETTLE_SECONDS = 5.0

LARGE = Size(nodes=1_000, services=5_000, endpoints=10, namespaces=100, policies=200, own=50)
MIDDLE = Size(nodes=40, services=1_000, endpoints=10, namespaces=20, policies=40, own=250)
SMALL = Size(nodes=40, services=300, endpoints=10, namespaces=20, policies=40, own=50)

GOALS: Mapping[str, float] = {"memory": 80.0, "idle_share": 2.0}
LARGE_GOALS: Mapping[str, float] = {"idle_share": 2.0}
NO_GOALS: Mapping[str, float] = {}


@dataclass(frozen=True)
class Sample:
    """What one process took. Megabytes, seconds, percent of a core."""

    start_seconds: float
    start_processor: float
    start_received: float
    memory: float
    peak: float
    idle_share: float
    churn_share: float
    churn_received: float
    """Megabytes a second."""

    churn_memory: float


CHURN = f"{PODS_A_SECOND} pods/s replaced elsewhere"
FIELDS = {
    "start_seconds": ("start to programmed", "s"),
    "start_processor": ("processor time of the start", "s"),
    "start_received": ("received at the start", "MB"),
    "memory": ("memory", "MB"),
    "peak": ("largest resident set", "MB"),
    "idle_share": ("idle, share of a core", "%"),
    "churn_share": (f"{CHURN}, share of a core", "%"),
    "churn_received": (f"{CHURN}, received", "MB/s"),
}
"""How the figures of a sample are called, and their units."""


@contextlib.contextmanager
def serving(size: Size) -> Iterator[tuple[Served, Cluster]]:
    """A kube-apiserver with the objects of a cluster of this size, in this namespace."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-", dir="/run") as place:
        keys = Path(place)
        make_keys(keys, API_ADDRESS)
        join_network()
        with kube_api_server.kube_api_server(keys, API_ADDRESS, SERVICE_RANGE) as served:
            cluster = Cluster(size, Templates(Api(served)))
            Store().put(cluster.everything())
            yield served, cluster


def compare(size: Size, rounds: int, names: tuple[str, ...]) -> dict[str, list[Sample]]:
    """Samples of each in turns, on the objects of one API server. Needs a sandbox (bench.isolation)."""
    found: dict[str, list[Sample]] = {name: [] for name in names}
    with serving(size) as (served, cluster):
        turns = [name for turn in range(rounds) for name in (names if turn % 2 == 0 else reversed(names))]
        for turn, name in enumerate(turns):
            with node_proxy(served, COMMANDS[name]) as node:
                found[name].append(_sample(node, cluster, turn, attach=name == OURS))
    return found


def _sample(node: NodeProxy, cluster: Cluster, turn: int, *, attach: bool) -> Sample:
    start = _ready_seconds(node) if attach else node.cold_seconds(cluster.size.pods)
    processor, received = node.processor_seconds(), _received(node)
    if attach:
        _attach(node, cluster)
    time.sleep(SETTLE_SECONDS)
    memory, idle = node.megabytes(), _Use(node)
    time.sleep(IDLE_SECONDS)
    idle_share = idle.share()
    churn = _Use(node)
    _churn(cluster, turn)
    return Sample(
        start,
        processor,
        received,
        memory,
        _peak(node),
        idle_share,
        churn.share(),
        churn.received() / CHURN_SECONDS,
        node.megabytes(),
    )


def _ready_seconds(node: NodeProxy) -> float:
    """From the start of the agent's process until it reports that everything is in the kernel."""
    while time.perf_counter() - node.began < PATIENCE_SECONDS:
        with namespaces.inside_network(node.host.path):
            connection = http.client.HTTPConnection("127.0.0.1", METRICS_PORT, timeout=5)
            with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("GET", "/readyz")
                if connection.getresponse().status == http.HTTPStatus.OK:
                    return time.perf_counter() - node.began
        if node.process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"the agent is not ready: {(node.folder / 'log').read_text()[-2000:]}")


class _Use:
    """What a process has used of processor and network since this was made."""

    def __init__(self, node: NodeProxy) -> None:
        self._node = node
        self._began = time.perf_counter()
        self._processor, self._received = node.processor_seconds(), _received(node)

    def share(self) -> float:
        """Percent of a core."""
        used = self._node.processor_seconds() - self._processor
        return used / (time.perf_counter() - self._began) * 100

    def received(self) -> float:
        """Megabytes."""
        return _received(self._node) - self._received


def _received(node: NodeProxy) -> float:
    """Megabytes that came over the node's uplink, with all headers: nothing but the API server sends there."""
    text = node.host.run("cat", "/proc/self/net/dev").stdout
    line = next(line for line in text.splitlines() if line.strip().startswith("eth0:"))
    return int(line.partition(":")[2].split()[0]) / 1e6


def _peak(node: NodeProxy) -> float:
    """Megabytes of the largest resident set so far, shared pages counted in full."""
    status = Path(f"/proc/{node.process.pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def _attach(node: NodeProxy, cluster: Cluster) -> None:
    """Attach the node's own pods by the CNI plugin, each in a new network namespace."""
    for number in range(cluster.size.own):
        _, pod = cluster.pod(number)
        place = Path("/run/test-netns") / pod["metadata"]["name"]
        if not place.exists():
            namespaces.new_network_namespace(place)
        _add(node, pod["metadata"], place)


def _add(node: NodeProxy, pod: dict[str, str], place: Path) -> None:
    names = f"K8S_POD_NAMESPACE={pod['namespace']};K8S_POD_NAME={pod['name']};K8S_POD_UID={pod['uid']}"
    environment = os.environ | {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": pod["uid"],
        "CNI_NETNS": str(place),
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/none",
        "CNI_ARGS": f"IgnoreUnknown=1;{names}",
    }
    configuration = {
        "cniVersion": "1.1.0",
        "name": "podwire",
        "type": "podwire",
        "podwire.socket": str(node.folder / "state" / "cni.sock"),
    }
    command = [sys.executable, "-IS", str(PLUGIN)]
    text = json.dumps(configuration)
    done = subprocess.run(command, check=False, env=environment, input=text, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{pod['name']} is not attached: {done.stdout}{done.stderr}")


def _churn(cluster: Cluster, turn: int) -> None:
    """Replace pods of other nodes: each Service's in turn, through all states of an end and a beginning.

    A tick is one transaction with the next state of each of the last ticks' pods; no two are of one Service.
    """
    each, ticks = PODS_A_SECOND // TICKS_A_SECOND, int(CHURN_SECONDS * TICKS_A_SECOND)
    first = -(-cluster.size.own // cluster.size.endpoints)
    others = cluster.size.services - first
    store, began = Store(), time.perf_counter()
    for tick in range(ticks):
        batches = [
            [first + ((turn * ticks + tick - age) * each + one) % others for one in range(each)] if tick >= age else []
            for age in range(7)
        ]
        _step(store, cluster, batches, turn)
        time.sleep(max(0.0, began + (tick + 1) / TICKS_A_SECOND - time.perf_counter()))


def _step(store: Store, cluster: Cluster, batches: list[list[int]], life: int) -> None:
    """One tick: `batches` are the Services by their age in ticks. Of each the last pod is replaced."""
    size = cluster.size
    last = {service: (service + 1) * size.endpoints - 1 for batch in batches for service in batch}
    puts = [
        cluster.pod(last[one], life + 1, state) for batch, state in zip(batches, STATES, strict=False) for one in batch
    ]
    puts += [
        cluster.pod(last[one], life, state) for age, state in ((4, "ending"), (5, "ended")) for one in batches[age]
    ]
    puts += [cluster.slice(one, {last[one]: life + 1}) for one in batches[3]]
    store.put(puts)
    if batches[6]:
        store.delete(cluster.pod_key(last[one], life) for one in batches[6])


def figures(*, quick: bool) -> Iterator[Figure]:
    """The agent at two sizes, and kube-proxy beside it. Raises MissingPeerError, NotRootError."""
    kube_api_server.build()
    built(programs.KUBE_PROXY)
    for size, rounds, goals in ((SMALL, 1, NO_GOALS),) if quick else ((MIDDLE, 1, GOALS), (LARGE, 1, LARGE_GOALS)):
        yield from of(size, in_root_sandbox(compare, size, rounds, (OURS, PEER)), goals)


def of(size: Size, found: dict[str, list[Sample]], goals: Mapping[str, float]) -> Iterator[Figure]:
    """The figures of these samples, the agent's with their goals by field."""
    where = f"{size.nodes:,} nodes, {size.services:,} Services, {size.pods:,} pods, {size.own} of them here"
    for name, samples in found.items():
        ours = name == OURS
        for field, (text, unit) in FIELDS.items():
            value = statistics.median(getattr(one, field) for one in samples)
            yield Figure(f"{where}: {name}, {text}", value, unit, goals.get(field) if ours else None)


def main() -> None:
    """Print the samples as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("nodes", "services", "endpoints", "namespaces", "policies", "own"):
        parser.add_argument(f"--{name}", type=int, default=getattr(LARGE, name))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--proxy", choices=COMMANDS, action="append", help="only this one")
    options = vars(parser.parse_args())
    rounds, names = options.pop("rounds"), tuple(options.pop("proxy") or COMMANDS)
    kube_api_server.build()
    if PEER in names:
        built(programs.KUBE_PROXY)
    found = in_root_sandbox(compare, Size(**options), rounds, names)
    print(json.dumps({name: [asdict(sample) for sample in samples] for name, samples in found.items()}, indent=2))


if __name__ == "__main__":
    main()
