"""A pod's first packet is judged: pods start while they send and are sent to what their policies forbid.

Addresses are reused by pods that no policy selects and by pods that are closed, in turn, so rows that lag behind would
let packets through.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwire.kernel import namespaces
from podwire.kube.client import Client
from podwire.kube.kinds import NETWORK_POLICIES, PODS
from podwire.kube.meta import NamespacedName
from podwire.pods.runtime.installation import install
from tests.agent.test_api_away import FOLDER, PLUGIN, RANGES, cni, populate, uplink
from tests.agent.test_program import Cluster, eventually, program
from tests.sandbox import Host, sandboxed

STARTS = int(os.environ.get("PODWIRE_FIRST_PACKET_STARTS", "10000"))
ADMITTED, FORBIDDEN = 7001, 7002
"""Ports: of what a closed pod may send, and of what it may not; it receives on the first alone too."""
GAP_SECONDS = 0.0005
"""Between two packets of each kind."""
GUESSES = 3
"""Addresses after the newest one that the sender tries: one of them is the next pod's."""
POLICY = {
    "metadata": {"name": "closed"},
    "spec": {
        "podSelector": {"matchLabels": {"closed": "yes"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"port": ADMITTED, "protocol": "UDP"}]}],
        "egress": [{"ports": [{"port": ADMITTED, "protocol": "UDP"}]}],
    },
}


def bare_host(name: str) -> Host:
    """A network namespace alone: no program runs in it."""
    host = Host.__new__(Host)
    host.name, host.path = name, Path("/run/test-netns") / name
    namespaces.new_network_namespace(host.path)
    return host


def ports_of(host: Host) -> dict[int, socket.socket]:
    """Sockets of the host that receive on both ports, and send."""
    found = {}
    with namespaces.inside_network(host.path):
        for port in (ADMITTED, FORBIDDEN):
            found[port] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            found[port].bind(("0.0.0.0", port))
    return found


def received(one: socket.socket) -> list[bytes]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(one.recv(100))
    return found


class Race:
    """Sends in both directions between a peer that is always there and the pod that starts."""

    def __init__(self, peer: Host, address: str) -> None:
        self.peer = ports_of(peer)
        self.peer_address = address
        self.admitted = self.seen = 0
        self.leaks: list[str] = []

    def send(self, pod: dict[int, socket.socket], guesses: list[str], mark: bytes) -> None:
        """Send once each way on both ports; before the pod has a network its own packets go nowhere."""
        for port in (FORBIDDEN, ADMITTED):
            with contextlib.suppress(OSError):
                pod[port].sendto(mark, (self.peer_address, port))
            for guess in guesses:
                with contextlib.suppress(OSError):
                    self.peer[port].sendto(mark, (guess, port))

    def judge(self, pod: dict[int, socket.socket], mark: bytes) -> bool:
        """Collect what arrived; whether something admitted has in both directions."""
        sent = mark in received(self.peer[ADMITTED])
        got = bool(received(pod[ADMITTED]))
        for where, arrived in (("sent", received(self.peer[FORBIDDEN])), ("received", received(pod[FORBIDDEN]))):
            self.seen += len(arrived)
            self.leaks += [f"{where} by pod {one.decode()}" for one in arrived if one.startswith(b"closed")]
        return sent and got


async def start(client: Client, race: Race, number: int, guesses: Iterator[list[str]], *, closed: bool) -> Host:
    """Create a pod, give it its network while packets are sent, and wait until admitted ones pass both ways."""
    name = f"{'closed' if closed else 'free'}-{number}"
    labels = {"closed": "yes"} if closed else {}
    body = {
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": "a", "containers": [{"name": "a", "image": "nginx"}]},
    }
    uid = (await client.create(PODS, body, "shop")).metadata.uid
    host = bare_host(name)
    pod = ports_of(host)
    mark, likely = name.encode(), next(guesses)
    adding = asyncio.create_task(cni("ADD", host, uid))
    while not adding.done():
        race.send(pod, likely, mark)
        await asyncio.sleep(GAP_SECONDS)
    status, result = adding.result()
    assert status == 0, result
    address = result["ips"][0]["address"].partition("/")[0]
    async with asyncio.timeout(30):
        both = False
        while not both:
            race.send(pod, [address], mark)
            await asyncio.sleep(GAP_SECONDS)
            both = race.judge(pod, mark)
    race.admitted += 1
    for one in pod.values():
        one.close()
    return host


def addresses_after(first: int) -> Iterator[list[str]]:
    """The next likely addresses of the range of the node, for each start; the peer has the first one, .2."""
    for number in itertools.count(first):
        yield [f"10.244.1.{3 + (number + step) % 252}" for step in range(GUESSES)]


@pytest.mark.long
@pytest.mark.timeout(7200)
@sandboxed
async def test_ten_thousand_pods_start_without_a_packet_that_is_forbidden(tmp_path: Path) -> None:
    uplink()
    install(PLUGIN)
    cluster = Cluster(tmp_path, "podwire:agent")
    arguments = ("--kubeconfig", str(cluster.kubeconfig), "--state-dir", str(FOLDER), *RANGES)
    async with cluster.on() as client:
        await cluster.bind(client)
        await cluster.new_token(client)
        uid = await populate(client)
        await client.create(NETWORK_POLICIES, POLICY, "shop")
        async with program("agent", *arguments, NODE_NAME="a"):
            await eventually("10249/readyz", 200)
            peer = Host("web")
            status, result = await cni("ADD", peer, uid)
            assert status == 0, result
            race = Race(peer, result["ips"][0]["address"].partition("/")[0])
            guesses = addresses_after(0)
            for number in range(STARTS):
                host = await start(client, race, number, guesses, closed=number % 2 == 0)
                assert race.leaks == [], f"of {number + 1} starts"
                assert (await cni("DEL", host))[0] == 0
                await client.delete(PODS, NamespacedName("shop", host.name), grace_seconds=0)
                namespaces.remove_network_namespace(host.path)
    assert race.admitted == STARTS
    assert race.seen > 0, "packets of pods without policies pass on that port: the test can fail"
    assert race.leaks == []
