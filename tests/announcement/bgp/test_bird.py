"""bird on each node against a second bird on a router: routes, ECMP, withdrawal, and restarts without a lost route."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from podwire.announcement.announcer import Announcements, Feeds
from podwire.announcement.bgp import control
from podwire.announcement.bgp.program import PROGRAM_PATH
from podwire.announcement.bgp.speaker import BgpSpeaker
from podwire.announcement.bgp_settings import BgpPeer, BgpSettings
from podwire.announcement.rows import ProxyRow
from podwire.engine.sink import FakeSink
from tests.announcement import objects
from tests.announcement.network import Neighbourhood, connect, machine_links, rules_exist, running
from tests.sandbox import Host, in_world, join

BIRD = shutil.which("bird", path=PROGRAM_PATH)
pytestmark = pytest.mark.skipif(BIRD is None, reason="needs bird: apt-get install bird2")

RANGES = (ipaddress.ip_network("203.0.113.0/24"), ipaddress.ip_network("2001:db8:113::/112"))
IPV4, IPV6 = "203.0.113.1", "2001:db8:113::1"
NODES = ("node-1", "node-2")
WAIT_SECONDS = 30.0
CUSTOMERS = range(2, 26)
"""The last numbers of the customer's addresses; that a router sends all to one node happens once in 8 million times."""

ROUTER = """log stderr { fatal };
router id 172.18.0.1;
protocol device { scan time 60; }
protocol kernel { ipv4 { export all; }; merge paths yes; }
protocol kernel { ipv6 { export all; }; merge paths yes; }
template bgp node {
  local 172.18.0.1 as 64513;
  ipv4 { import all; export none; };
  ipv6 { import all; export none; };
}
"""


class Network(Neighbourhood):
    """The client is a router that speaks BGP with both nodes; behind it is a customer."""

    def __init__(self) -> None:
        super().__init__(len(NODES))
        self.router = self.client
        self.customer = Host("customer")
        join(self.customer, self.router, "eth0", "eth1")
        for block in ("198.51.100.{}/24", "2001:db8:51::{}/64"):
            self.router.add_addresses("eth1", block.format(1))
            self.customer.add_addresses("eth0", *map(block.format, CUSTOMERS))
            self.customer.run("ip", "route", "add", "default", "via", block.format(1).partition("/")[0])
        self.customer.run("sysctl", "-qw", "net.ipv6.auto_flowlabels=0")  # they change, and the router's choice with it
        for machine in self.nodes:
            for gateway in self.router.addresses:
                machine.run("ip", "route", "add", "default", "via", gateway)

    @contextlib.contextmanager
    def routing(self) -> Iterator[None]:
        """The router's own bird runs inside the block."""
        folder = Path("/run/router")
        folder.mkdir()
        peers = "\n".join(
            f"protocol bgp from node {{ neighbor {machine.addresses[0]} as 64512; }}" for machine in self.nodes
        )
        (folder / "bird.conf").write_text(ROUTER + peers + "\n")
        assert BIRD is not None
        files = ("-c", str(folder / "bird.conf"), "-s", str(folder / "bird.ctl"))
        process = self.router.popen(BIRD, "-f", *files, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.kill()
            process.wait()

    @contextlib.asynccontextmanager
    async def speaking(self, name: str) -> AsyncIterator[BgpSpeaker]:
        """The announcements of a node by BGP alone, inside the block."""
        machine = self.node(name)
        settings = BgpSettings(64512, (BgpPeer(self.router.addresses[0], 64513),))
        speaker = BgpSpeaker(name, settings, Path("/run/agent") / name, ("nsenter", f"--net={machine.path}"))
        feeds = Feeds(self.services, self.slices, self.objects)
        proxies: FakeSink[ProxyRow] = FakeSink()
        announcements = Announcements(name, RANGES, feeds, proxies, machine_links(machine), rules_exist, speaker.sink)
        async with running(announcements.run()), running(speaker.run()):
            yield speaker

    def gateways(self, address: str) -> set[str]:
        """The nodes to which the router sends what is for this address."""
        routes = json.loads(
            self.router.run("ip", "-j", "-6" if ":" in address else "-4", "route", "show", address).stdout
        )
        hops = [hop["gateway"] for route in routes for hop in (route, *route.get("nexthops", ())) if "gateway" in hop]
        return {machine.name for machine in self.nodes for hop in hops if hop in machine.addresses}

    async def routed(self, address: str, *nodes: str) -> None:
        """Return when the router has the route to these nodes alone. Raises TimeoutError."""
        async with asyncio.timeout(WAIT_SECONDS):
            while self.gateways(address) != set(nodes):  # noqa: ASYNC110  nothing reports what the kernel holds
                await asyncio.sleep(0.05)

    async def answering(self, address: str) -> set[str]:
        """The nodes that answer the customer's addresses: the router chooses by source and destination."""
        block = "2001:db8:51::{}" if ":" in address else "198.51.100.{}"
        return {await connect(self.customer, address, block.format(number)) for number in CUSTOMERS}


@in_world
async def test_routes_lead_to_all_nodes_that_may_announce_and_a_customer_reaches_them() -> None:
    it = Network()
    it.services.put(objects.balanced("web", IPV4, IPV6))
    with it.routing():
        async with it.serving(), it.speaking("node-1") as first, it.speaking("node-2"):
            for address in (IPV4, IPV6):
                await it.routed(address, *NODES)
                assert await it.answering(address) == set(NODES)
            await established(first)
            it.services.put(objects.balanced("web", IPV4, IPV6, local=True))
            it.slices.put(objects.slice_of("web", objects.endpoint("10.244.2.2", "node-2")))
            for address in (IPV4, IPV6):
                await it.routed(address, "node-2")
                assert await it.answering(address) == {"node-2"}
            it.objects.put(objects.node("node-2", *it.node("node-2").addresses, ready=False))
            await it.routed(IPV4)
            it.slices.put(objects.slice_of("web", objects.endpoint("10.244.1.2", "node-1")))
            await it.routed(IPV4, "node-1")
            it.services.remove(objects.balanced("web"))
            for address in (IPV4, IPV6):
                await it.routed(address)


@pytest.mark.long
@in_world
async def test_no_route_is_lost_when_bird_or_the_agent_is_killed_or_starts_again() -> None:
    it = Network()
    it.services.put(objects.balanced("web", IPV4))
    lost: list[str] = []
    with it.routing():
        async with it.speaking("node-1") as speaker:
            await it.routed(IPV4, "node-1")
            async with running(watch(it, lost)):
                await established(speaker)
                first = process_of(speaker)
                assert unprivileged(first)
                os.kill(first, signal.SIGKILL)
                while process_of(speaker) in {0, first}:  # noqa: ASYNC110  a process is observed from outside
                    await asyncio.sleep(0.05)
                await recovered(speaker)
        async with running(watch(it, lost)), it.speaking("node-1") as speaker:
            it.services.put(objects.balanced("db", "203.0.113.2"))
            await established(speaker)
            await it.routed("203.0.113.2", "node-1")
    assert not lost


async def watch(it: Network, lost: list[str]) -> None:
    """Note each time that the router has no route."""
    while True:
        if it.gateways(IPV4) != {"node-1"}:
            lost.append("lost")
        await asyncio.sleep(0.05)


def process_of(speaker: BgpSpeaker) -> int:
    process = speaker._bird._process
    return process.pid if process is not None and process.returncode is None else 0


def unprivileged(pid: int) -> bool:
    """Whether a process is no root and has the right to listen on low ports alone."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return "0" not in fields["Uid"].split() and int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 1 << 10


async def established(speaker: BgpSpeaker) -> None:
    """Return when the session with the router is up. Raises TimeoutError."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not all(speaker.up.values()):
            await asyncio.sleep(0.05)
            await speaker._sessions.poll()


async def recovered(speaker: BgpSpeaker) -> None:
    """Return when a bird that was started again has finished that with all peers: RFC 4724 allows one at a time."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with contextlib.suppress(OSError):
                if not any("recovery" in line for line in await control.request(speaker._bird.socket, "show status")):
                    return await established(speaker)
            await asyncio.sleep(0.05)
