"""Routers learn from the nodes which node has which pods, and carry packets between subnets; restarts lose no route."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from podwire.announcement.announcer import Announcements, Feeds
from podwire.announcement.bgp.program import PROGRAM_PATH
from podwire.announcement.bgp.speaker import BgpSpeaker
from podwire.announcement.bgp_settings import BgpPeer, BgpSettings
from podwire.announcement.rows import ProxyRow
from podwire.engine.sink import FakeSink
from podwire.kube.core import Node
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, read_node
from tests.announcement.network import rules_exist, running
from tests.announcement.objects import FakeFeed
from tests.pods.cluster import RANGES, Machine, node_with
from tests.pods.packets import udp_peer_seen
from tests.pods.subnets import SUBNETS, TwoSubnets, addresses
from tests.sandbox import in_world

BIRD = shutil.which("bird", path=PROGRAM_PATH)
pytestmark = pytest.mark.skipif(BIRD is None, reason="needs bird: apt-get install bird2")

ROUTED = Cluster(RANGES, Mode.ROUTED)
WAIT_SECONDS = 30.0
ROUTER = """log stderr { fatal };
router id 172.18.1.1;
protocol device { scan time 60; }
protocol kernel { ipv4 { export all; }; }
protocol kernel { ipv6 { export all; }; }
template bgp node {
  ipv4 { import all; export none; };
  ipv6 { import all; export none; };
}
"""


@contextlib.contextmanager
def routing(cluster: TwoSubnets) -> Iterator[None]:
    """The router's bird runs inside the block, with a session to each node."""
    folder = Path("/run/router")
    folder.mkdir()
    sessions = (
        f"protocol bgp from node {{ local 172.18.{subnet}.1 as 64513; neighbor {addresses(number)[0]} as 64512; }}\n"
        for number, subnet in SUBNETS.items()
    )
    (folder / "bird.conf").write_text(ROUTER + "".join(sessions))
    assert BIRD is not None
    files = ("-c", str(folder / "bird.conf"), "-s", str(folder / "bird.ctl"))
    process = cluster.router.popen(BIRD, "-f", *files, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.asynccontextmanager
async def announcing(machine: Machine, nodes: FakeFeed[Node]) -> AsyncIterator[None]:
    """The node announces its pods inside the block."""
    router = f"172.18.{SUBNETS[int(machine.name[-1])]}.1"
    settings = BgpSettings(64512, (BgpPeer(router, 64513),), announce_pod_ranges=True)
    folder = Path("/run/agent") / machine.name
    launcher = ("nsenter", f"--net={machine.host.path}")
    speaker = BgpSpeaker(machine.name, settings, folder, launcher, lambda node: read_node(node, ROUTED)[0].ranges)
    feeds = Feeds(FakeFeed(), FakeFeed(), nodes)
    proxies: FakeSink[ProxyRow] = FakeSink()
    announcements = Announcements(
        machine.name,
        (),
        feeds,
        proxies,
        lambda _: (),
        rules_exist,
        speaker.sink,
    )
    async with running(announcements.run()), running(speaker.run()):
        yield


def learned(cluster: TwoSubnets) -> dict[str, str]:
    """The router's routes by BGP: range to node address."""
    found = [*json.loads(cluster.router.run("ip", "-j", "route").stdout)]
    found += json.loads(cluster.router.run("ip", "-j", "-6", "route").stdout)
    return {route["dst"]: route.get("gateway", "") for route in found if route.get("protocol") == "bird"}


async def expect(cluster: TwoSubnets, routes: dict[str, str]) -> None:
    """Return when the router has these routes alone. Raises TimeoutError."""
    async with asyncio.timeout(WAIT_SECONDS):
        while learned(cluster) != routes:  # noqa: ASYNC110  the kernel is observed
            await asyncio.sleep(0.1)


@pytest.mark.long
@in_world
async def test_routers_carry_pods_packets_by_what_the_nodes_announce_also_while_an_agent_restarts() -> None:
    nodes: FakeFeed[Node] = FakeFeed()
    wanted: dict[str, str] = {}
    for number in SUBNETS:
        nodes.put(node_with(number, *addresses(number)))
        wanted |= {f"10.244.{number}.0/24": addresses(number)[0], f"fd00:10:244:{number}::/64": addresses(number)[1]}
    with TwoSubnets(ROUTED, strict=True) as cluster, routing(cluster):
        first, second, third = cluster.machines
        a, c = first.pod("a"), third.pod("c")
        async with announcing(second, nodes), announcing(third, nodes):
            async with announcing(first, nodes):
                await expect(cluster, wanted)
                for version in (4, 6):
                    assert udp_peer_seen(a, c, c.address(version)) == a.address(version)
                    assert udp_peer_seen(c, a, a.address(version)) == c.address(version)
            assert learned(cluster) == wanted, "the node's agent is away"
            async with announcing(first, nodes):
                nodes.put(node_with(2, addresses(2)[0]))
                del wanted["fd00:10:244:2::/64"]
                await expect(cluster, wanted)
