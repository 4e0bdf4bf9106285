"""A node whose API server is away: known pods get their network, the node remains ready over a restart of its agent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from podwire.agent import rows_socket
from podwire.kube.client import Client
from podwire.kube.kinds import NAMESPACES, NETWORK_POLICIES, NODES, PODS
from podwire.kube.meta import NamespacedName
from podwire.kube.pod_pools import ANNOTATION, LABEL
from podwire.pods.runtime.installation import configuration_list, install
from tests.agent.test_program import Cluster, eventually, page, program
from tests.sandbox import Host, sandboxed

FOLDER = Path("/run/podwire/agent")
PLUGIN = Path("/run/podwire/bin/podwire")
POOL = ("--namespace-pool", "red=10.60.0.0/24:29")
RANGES = ("--pod-cidrs", "10.244.0.0/16", "--service-cidrs", "10.96.0.0/16", *POOL)
CONTAINER = {"name": "a", "image": "nginx"}


async def cni(command: str, pod: Host | None = None, uid: str = "") -> tuple[int | None, Any]:
    """Call the plugin as a runtime does; exit status and what it printed."""
    network = json.loads(configuration_list(FOLDER / "cni.sock"))
    config = {"cniVersion": "1.1.0", "name": network["name"], **network["plugins"][0]}
    environment = {"CNI_COMMAND": command, "CNI_PATH": str(PLUGIN.parent)}
    if pod is not None:
        arguments = f"K8S_POD_NAMESPACE=shop;K8S_POD_NAME={pod.name};K8S_POD_UID={uid}"
        names = {"CNI_CONTAINERID": pod.name, "CNI_NETNS": str(pod.path), "CNI_IFNAME": "eth0"}
        environment |= {**names, "CNI_ARGS": arguments}
    process = await asyncio.create_subprocess_exec(
        PLUGIN, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(json.dumps(config).encode())
    return process.returncode, json.loads(output) if output else None


async def rows() -> str:
    """The rows of policies that the agent wants."""
    return await asyncio.to_thread(rows_socket.read, FOLDER / "rows.sock", "policy")


async def kept_on_disk(*names: str) -> None:
    """Wait until the agent has written these objects."""
    found: set[str] = set()
    for _ in range(1200):
        with contextlib.closing(sqlite3.connect(FOLDER / "objects.db")) as database:
            found = {name for (name,) in database.execute("SELECT name FROM objects")}
        if found.issuperset(names):
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{names} are not all among {found}")


def uplink() -> None:
    """Give this namespace the node's address."""
    for command in ("link add uplink type bridge", "addr add 172.18.0.2/16 dev uplink", "link set uplink up"):
        assert os.spawnlp(os.P_WAIT, "ip", "ip", *command.split()) == 0


async def populate(client: Client) -> str:
    """A Node with its ranges, and a pod on it in a namespace with a pool of addresses; return the pod's uid."""
    metadata = {"name": "a", "annotations": {ANNOTATION: '{"red": ["10.60.0.8/29"]}'}}
    node = {"metadata": metadata, "spec": {"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]}}
    await client.create(NODES, node)
    status = {"addresses": [{"type": "InternalIP", "address": "172.18.0.2"}]}
    await client.patch(NODES, NamespacedName("", "a"), {"status": status}, "status")
    await client.create(NAMESPACES, {"metadata": {"name": "shop", "labels": {LABEL: "red"}}})
    pod = {"metadata": {"name": "web"}, "spec": {"nodeName": "a", "containers": [CONTAINER]}}
    return (await client.create(PODS, pod, "shop")).metadata.uid


@sandboxed
async def test_a_known_pod_gets_its_network_and_the_node_remains_ready(tmp_path: Path) -> None:
    uplink()
    install(PLUGIN)
    cluster = Cluster(tmp_path, "podwire:agent")
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--state-dir", str(FOLDER), *RANGES)
    async with contextlib.AsyncExitStack() as stack:
        async with cluster.on() as client:
            await cluster.bind(client)
            await cluster.new_token(client)
            uid = await populate(client)
            assert (await cni("STATUS"))[0] == 1, "no agent has run yet"
            await stack.enter_async_context(program("agent", *arguments, NODE_NAME="a"))
            await eventually("10249/readyz", 200)
            body = {"metadata": {"name": "later"}, "spec": {"nodeName": "a", "containers": [CONTAINER]}}
            later = (await client.create(PODS, body, "shop")).metadata.uid
            await client.create(NETWORK_POLICIES, {"metadata": {"name": "closed"}, "spec": {"podSelector": {}}}, "shop")
            await kept_on_disk("later", "closed")
        status, result = await cni("ADD", Host("web"), uid)
        assert status == 0, result
        assert result["ips"][0]["address"] == "10.60.0.10/32"
    assert await cni("STATUS") == (0, None), "the agent was killed"
    async with program("agent", *arguments, NODE_NAME="a"):
        await eventually("10249/readyz", 503, "cannot be followed: 127.0.0.1:")
        assert await cni("STATUS") == (0, None)
        unknown = asyncio.create_task(cni("ADD", Host("new"), "a-uid-that-nobody-knows"))
        status, result = await cni("ADD", Host("later"), later)
        assert status == 0, result
        assert result["ips"][0]["address"] in ("10.60.0.11/32", "10.60.0.12/32"), "by the pool that was known"
        assert "ingress: only what is allowed" in await rows(), "by the policies that were known"
        assert not unknown.done(), "what is not known stays closed"
        unknown.cancel()
        async with cluster.on():
            await eventually("10249/readyz", 200)
            assert await cni("STATUS") == (0, None)
            assert (await page("10249/metrics"))[1].count("podwire_informer_problem{") == 0
