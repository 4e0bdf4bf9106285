"""A pod's first packet is judged: pods start while they send and are sent to what their policies forbid.

Addresses are reused by pods that no policy selects and by pods that are closed, so rows that lag behind would let
packets through. Several pods start at once, as on a busy node; all of them are probed all the time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
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
AT_ONCE = 6
"""Pods that start at the same time."""
GAP_SECONDS = 0.0005
"""Between two packets of each kind."""
GUESSES = AT_ONCE + 2
"""Addresses after the newest one that the peer tries: the next pods' are among them, as freed ones are reused last."""
POLICY = {
    "metadata": {"name": "closed"},
    "spec": {
        "podSelector": {"matchLabels": {"closed": "yes"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"ports": [{"port": ADMITTED, "protocol": "UDP"}]}],
        "egress": [{"ports": [{"port": ADMITTED, "protocol": "UDP"}]}],
    },
}


log = logging.getLogger(__name__)


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


@dataclass(eq=False)
class Start:
    """One pod that starts."""

    name: str
    closed: bool
    sockets: dict[int, socket.socket]
    address: str = ""
    sent: bool = False
    received: bool = False
    admitted: asyncio.Event = field(default_factory=asyncio.Event)


class Race:
    """Sends in both directions between a peer that is always there and each pod that starts."""

    def __init__(self, peer: Host, address: str) -> None:
        self.peer = ports_of(peer)
        self.peer_address = address
        self.newest = int(address.rpartition(".")[2])
        self.starting: dict[str, Start] = {}
        self.seen = 0
        self.leaks: list[str] = []

    async def run(self) -> None:
        """Send and collect until cancelled."""
        while True:
            self.send()
            await asyncio.sleep(GAP_SECONDS)
            self.judge()

    def send(self) -> None:
        """Send once each way on both ports; before a pod has a network its own packets go nowhere."""
        waiting = [start.address for start in self.starting.values() if start.address]
        for port in (FORBIDDEN, ADMITTED):
            for start in self.starting.values():
                with contextlib.suppress(OSError):
                    start.sockets[port].sendto(start.name.encode(), (self.peer_address, port))
            for address in (*waiting, *self.guesses()):
                with contextlib.suppress(OSError):
                    self.peer[port].sendto(b"peer", (address, port))

    def guesses(self) -> Iterator[str]:
        """The next likely addresses of the range of the node; the peer has the first one, .2."""
        return (f"10.244.1.{3 + (self.newest - 2 + step) % 252}" for step in range(GUESSES))

    def judge(self) -> None:
        """Collect what arrived at both ends."""
        passed = {one.decode() for one in received(self.peer[ADMITTED])}
        forbidden = [one.decode() for one in received(self.peer[FORBIDDEN])]
        self.seen += len(forbidden)
        self.leaks += [f"sent by {name}" for name in forbidden if name.startswith("closed")]
        for start in self.starting.values():
            arrived = len(received(start.sockets[FORBIDDEN]))
            self.seen += arrived
            if start.closed and arrived:
                self.leaks.append(f"received by {start.name}")
            start.sent |= start.name in passed
            start.received |= bool(received(start.sockets[ADMITTED]))
            if start.sent and start.received:
                start.admitted.set()

    @asynccontextmanager
    async def of(self, host: Host, *, closed: bool) -> AsyncIterator[Start]:
        """Probe this pod inside the block."""
        start = self.starting[host.name] = Start(host.name, closed, ports_of(host))
        try:
            yield start
        finally:
            del self.starting[host.name]
            for one in start.sockets.values():
                one.close()


async def start_and_end(client: Client, race: Race, number: int) -> None:
    """Create a pod, give it its network while packets are sent, wait until admitted ones pass both ways, end it."""
    closed = number % 2 == 0
    name = f"{'closed' if closed else 'free'}-{number}"
    labels = {"closed": "yes"} if closed else {}
    body = {
        "metadata": {"name": name, "labels": labels},
        "spec": {"nodeName": "a", "containers": [{"name": "a", "image": "nginx"}]},
    }
    uid = (await client.create(PODS, body, "shop")).metadata.uid
    host = bare_host(name)
    async with race.of(host, closed=closed) as start:
        status, result = await cni("ADD", host, uid)
        assert status == 0, result
        start.address = result["ips"][0]["address"].partition("/")[0]
        race.newest = int(start.address.rpartition(".")[2])
        async with asyncio.timeout(60):
            await start.admitted.wait()
    assert (await cni("DEL", host))[0] == 0
    await client.delete(PODS, NamespacedName("shop", name), grace_seconds=0)
    namespaces.remove_network_namespace(host.path)


async def start_all(client: Client, race: Race) -> int:
    """Start and end `STARTS` pods, some at a time, until one leaks; how many did."""
    numbers = iter(range(STARTS))
    done = 0

    async def one_after_another() -> None:
        nonlocal done
        for number in numbers:
            await start_and_end(client, race, number)
            done += 1
            assert race.leaks == [], f"of {done} starts"
            if done % 500 == 0:
                log.info("%d pods have started", done)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(one_after_another())
    return done


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
            probing = asyncio.create_task(race.run())
            assert await start_all(client, race) == STARTS
            probing.cancel()
            race.judge()
    assert race.seen > 0, "packets of pods without policies pass on that port: the test can fail"
    assert race.leaks == []
