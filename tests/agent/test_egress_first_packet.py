"""The first packets of a pod that an EgressGateway selects: no node's address is on them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import time
from pathlib import Path

import pytest

from podwire.kernel import namespaces
from podwire.kube.client import Client
from podwire.kube.kinds import EGRESS_GATEWAYS, PODS
from podwire.kube.meta import NamespacedName
from podwire.pods.runtime.installation import install
from tests.agent.test_api_away import CONTAINER, FOLDER, PLUGIN, RANGES, cni, populate
from tests.agent.test_first_packet import GAP_SECONDS, bare_host, received
from tests.agent.test_program import Cluster, eventually, program
from tests.sandbox import Host, join, sandboxed

STARTS = 3
PACKETS = 100
"""That a closed pod sends once it has its network."""
PATIENCE_SECONDS = 60.0
FAR, PORT = "172.18.255.1", 7003
GATEWAY = {
    "metadata": {"name": "stable"},
    "spec": {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
        "podSelector": {"matchLabels": {"egress": "stable"}},
        "gateways": [{"name": "none-that-is-ready"}],
        "addresses": ["172.18.250.1"],
    },
}


def outside() -> Host:
    """A host on the link of this node, which has a route to pods too."""
    here, host = Host.__new__(Host), Host("outside")
    here.name, here.path = "node", Path("/proc/self/ns/net")
    join(here, host, "uplink", "eth0")
    here.run("ip", "addr", "add", "172.18.0.2/16", "dev", "uplink")
    host.run("ip", "addr", "add", f"{FAR}/16", "dev", "eth0")
    host.run("ip", "route", "add", "10.244.0.0/16", "via", "172.18.0.2")
    return host


async def start(client: Client, name: str, labels: dict[str, str], seen: socket.socket, *, closed: bool) -> bool:
    """Start a pod that sends all the time, and end it; whether something came from it.

    That is waited for, but of a pod that is closed for some packets only.
    """
    body = {"metadata": {"name": name, "labels": labels}, "spec": {"nodeName": "a", "containers": [CONTAINER]}}
    uid = (await client.create(PODS, body, "shop")).metadata.uid
    host = bare_host(name)
    with namespaces.inside_network(host.path):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    adding = asyncio.create_task(cni("ADD", host, uid))
    arrived, packets, ends = False, itertools.count(), time.monotonic() + PATIENCE_SECONDS
    while not adding.done() or not (arrived or time.monotonic() > ends or (closed and next(packets) > PACKETS)):
        with contextlib.suppress(OSError):
            sender.sendto(name.encode(), (FAR, PORT))
        await asyncio.sleep(GAP_SECONDS)
        arrived = arrived or name.encode() in received(seen)
    assert adding.result()[0] == 0, adding.result()
    sender.close()
    assert (await cni("DEL", host))[0] == 0
    await client.delete(PODS, NamespacedName("shop", name), grace_seconds=0)
    namespaces.remove_network_namespace(host.path)
    return arrived


@pytest.mark.timeout(300)
@sandboxed
async def test_no_packet_leaves_before_the_gateway_is_known(tmp_path: Path) -> None:
    """Without a Ready gateway node nothing of a selected pod leaves; other pods take its address in turn."""
    host = outside()
    with namespaces.inside_network(host.path):
        seen = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        seen.bind(("0.0.0.0", PORT))
    install(PLUGIN)
    cluster = Cluster(tmp_path, "podwire:agent")
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--state-dir", str(FOLDER), *RANGES)
    async with cluster.on() as client:
        await cluster.bind(client)
        await cluster.new_token(client)
        await populate(client)
        await client.create(EGRESS_GATEWAYS, GATEWAY)
        async with program("agent", *arguments, NODE_NAME="a"):
            await eventually("10249/readyz", 200)
            for number in range(STARTS):
                assert not await start(client, f"closed-{number}", {"egress": "stable"}, seen, closed=True)
                assert await start(client, f"free-{number}", {}, seen, closed=False)
