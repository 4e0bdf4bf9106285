"""Policies from the API write to the kernel, through an API server, watches and an agent; starts of pods under them.

A cluster of 1,000 pods of 50 kinds in one namespace, with 1,000 policies; some of the pods are here, attached by the
CNI plugin. A label changes one of these; the change ends when its link has the number of its new identity, which comes
after all rows. A policy selects all pods; it ends when the kernel reports its elements.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.api_server import Served, api_server, make_keys
from bench.figure import Figure
from bench.isolation import in_root_sandbox
from bench.kernel_watch import Arrivals
from bench.node_proxies import API_ADDRESS, NodeProxy, agent, join_network, node_proxy
from bench.service_objects import NODE
from podwire.kernel import links, namespaces
from podwire.kernel.link_events import LinkEvents
from podwire.kernel.netlink import Netlink
from podwire.kube.client import Client
from podwire.kube.kinds import NAMESPACES, NETWORK_POLICIES, NODES, PODS
from podwire.kube.meta import NamespacedName
from podwire.lab.host import credentials
from podwire.pods.attachment import AttachmentKey
from podwire.pods.runtime import installation

HOME = "bench"
KINDS = 50
AT_ONCE = 8
PATIENCE_SECONDS = 300.0
SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class Scale:
    """How many objects, and how many samples of each figure."""

    pods: int = 1_000
    own: int = 50
    """Of the pods, those of this node."""

    policies: int = 1_000
    labels: int = 200
    selections: int = 10
    starts: int = 200


@dataclass(frozen=True)
class Measured:
    """Milliseconds of label changes and of policies that select all pods; starts a second."""

    labels: list[float]
    processor: float
    """Milliseconds of the agent for a label change."""

    selections: list[float]
    starts: float


def sample(scale: Scale) -> Measured:
    """One agent. Needs a sandbox (bench.isolation)."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-", dir="/run") as place:
        keys = Path(place)
        make_keys(keys, API_ADDRESS)
        join_network()
        with api_server(keys, keys / "store.db", durable=False, address=API_ADDRESS) as served:
            return asyncio.run(_measure(served, scale))


async def _measure(served: Served, scale: Scale) -> Measured:
    proof = credentials.of_folder(served.folder, credentials.ADMIN, f"https://{API_ADDRESS}:{served.port}")
    async with Client(proof) as client:
        await _fill(client, scale)
        with node_proxy(served, agent) as node:
            bench = _Bench(client, node)
            await bench.start(range(scale.own))
            await asyncio.sleep(SETTLE_SECONDS)
            used = node.processor_seconds()
            labels = [await bench.relabel(turn % scale.own, turn) for turn in range(scale.labels)]
            processor = (node.processor_seconds() - used) * 1e3 / scale.labels
            selections = [await bench.select_all(turn) for turn in range(scale.selections)]
            began = time.perf_counter()
            await bench.start(range(scale.pods, scale.pods + scale.starts))
            return Measured(labels, processor, selections, scale.starts / (time.perf_counter() - began))


async def _fill(client: Client, scale: Scale) -> None:
    """The objects that are there before the agent starts."""
    node = {"metadata": {"name": NODE}, "spec": {"podCIDR": "10.244.0.0/22", "podCIDRs": ["10.244.0.0/22"]}}
    await client.create(NODES, node)
    addresses = [{"type": "InternalIP", "address": "172.18.0.2"}]
    await client.patch(NODES, NamespacedName("", NODE), {"status": {"addresses": addresses}}, "status")
    await client.create(NAMESPACES, {"metadata": {"name": HOME}})
    for number in range(scale.policies):
        spec = {
            "podSelector": {"matchLabels": {"app": f"a{number % KINDS}"}},
            "ingress": [
                {"from": [{"podSelector": {"matchLabels": {"app": f"a{(number + number // KINDS) % KINDS}"}}}]}
            ],
        }
        await client.create(NETWORK_POLICIES, {"metadata": {"name": f"p{number}"}, "spec": spec}, HOME)
    for number in range(scale.own, scale.pods):
        await _create(client, number, "far")
        ip = f"10.245.{number // 250}.{number % 250 + 1}"
        status = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]}
        await client.patch(PODS, NamespacedName(HOME, f"pod-{number}"), {"status": status}, "status")


async def _create(client: Client, number: int, node: str) -> str:
    labels = {"app": f"a{number % KINDS}"}
    spec = {"nodeName": node, "containers": [{"name": "a", "image": "nginx"}]}
    body = {"metadata": {"name": f"pod-{number}", "labels": labels}, "spec": spec}
    return (await client.create(PODS, body, HOME)).metadata.uid


class _Bench:
    """Changes through the API, each until the kernel has it."""

    def __init__(self, client: Client, node: NodeProxy) -> None:
        self._client = client
        self._node = node
        self._node_links = Netlink(node.host.path)
        with namespaces.inside_network(node.host.path):
            self._link_events = LinkEvents()
        compiled = installation.compiled_plugin()
        self._plugin = compiled or Path("/run/bench-plugin")
        if compiled is None:
            installation.install(self._plugin)

    async def start(self, numbers: range) -> None:
        """Create pods of this node and give them their network, some at a time."""
        waiting = iter(numbers)
        for number in numbers:
            namespaces.new_network_namespace(_place(number))

        async def one_after_another() -> None:
            for number in waiting:
                await self._add(number, await _create(self._client, number, NODE))

        await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))

    async def relabel(self, number: int, turn: int) -> float:
        """Move a pod to other policies; return milliseconds."""
        link = AttachmentKey(f"pod-{number}", "eth0").host_interface
        before = self._group(link)
        self._link_events.read()
        labels = {"app": f"a{(number + turn // KINDS + 1) % KINDS}"}
        began = time.perf_counter()
        await self._client.patch(PODS, NamespacedName(HOME, f"pod-{number}"), {"metadata": {"labels": labels}})
        while (group := self._group(link)) in {0, before}:
            if time.perf_counter() - began > PATIENCE_SECONDS:
                raise TimeoutError(f"{link} stays in group {group}")
            select.select([self._link_events], [], [], 1.0)  # to read it all the time would slow down what is measured
            self._link_events.read()
        return (time.perf_counter() - began) * 1e3

    async def select_all(self, turn: int) -> float:
        """Add a policy that selects all pods; return milliseconds."""
        peer = f"192.0.2.{turn + 1}"
        spec = {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": f"{peer}/32"}}]}]}
        arrivals, began = Arrivals(self._node.host.path), time.perf_counter()
        await self._client.create(NETWORK_POLICIES, {"metadata": {"name": f"all-{turn}"}, "spec": spec}, HOME)
        arrived = arrivals.of(peer, PATIENCE_SECONDS)
        arrivals.close()
        return (arrived - began) * 1e3

    def _group(self, link: str) -> int:
        found = links.find(self._node_links, link)
        if found is None:
            raise LookupError(f"there is no link {link}")
        return found.group

    async def _add(self, number: int, uid: str) -> None:
        name = f"pod-{number}"
        environment = os.environ | {
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": name,
            "CNI_NETNS": str(_place(number)),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": "/none",
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE={HOME};K8S_POD_NAME={name};K8S_POD_UID={uid}",
        }
        socket = str(self._node.folder / "state" / "cni.sock")
        configuration = {"cniVersion": "1.1.0", "name": "podwire", "type": "podwire", "podwire.socket": socket}
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while True:
            output = await _ran(self._plugin, environment, configuration)
            if not output:
                return
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{name} is not attached: {output!r}")
            await asyncio.sleep(0.2)  # the agent starts


async def _ran(plugin: Path, environment: dict[str, str], configuration: dict[str, Any]) -> bytes:
    """Call the plugin; return its error, empty where there is none."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(plugin, env=environment, stdin=pipe, stdout=pipe)
    output, _ = await process.communicate(json.dumps(configuration).encode())
    return output or b"no answer" if process.returncode else b""


def _place(number: int) -> Path:
    return Path("/run/test-netns") / f"pod-{number}"


def figures(*, quick: bool) -> Iterator[Figure]:
    """Label changes, policies that select all pods, starts of pods. Raises NotRootError."""
    scale = Scale(pods=200, policies=200, labels=50, selections=5, starts=50) if quick else Scale()
    found = in_root_sandbox(sample, scale)
    text = f"{scale.pods:,} pods and {scale.policies:,} policies"
    yield Figure(f"a label change, {text}, API write to kernel, median", statistics.median(found.labels), "ms")
    p99 = sorted(found.labels)[int(len(found.labels) * 0.99)]
    yield Figure(f"a label change, {text}, API write to kernel, p99", p99, "ms", 50.0)
    yield Figure("the same, processor time of the agent", found.processor, "ms")
    selected = statistics.median(found.selections)
    yield Figure(f"a policy that selects {scale.pods:,} pods, API write to kernel", selected, "ms", 100.0)
    yield Figure(f"pods created and given their network, {text}", found.starts, "/s")
