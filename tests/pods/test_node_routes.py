"""Routes and the tunnel in a real kernel."""

import ipaddress

import pytest

from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import namespaces
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, Overlay
from podwire.pods.node_routes import NodeRouteSink
from podwire.pods.rows import NodeRouteRow, RouteRow, own_routes, peer_routes
from tests.pods.cluster import DIRECT, RANGES, VXLAN
from tests.pods.test_rows import UPLINK, network
from tests.sandbox import Host, sandboxed


def ways(cluster: Cluster, peers: int, mtu: int = 1450) -> set[NodeRouteRow]:
    """All rows of node-1 among this many peers."""
    own = network(1)
    rows = {row for number in range(2, 2 + peers) for row in peer_routes(network(number), own, cluster, UPLINK)}
    return rows | set(own_routes(own, cluster, mtu))


def node() -> Host:
    """Node 1 with its uplink; the test goes on in it."""
    host = Host("node-1")
    for command in (
        "ip link add eth0 type bridge",
        "ip link set eth0 up",
        "ip address add 172.18.0.2/16 dev eth0",
        "ip address add fd00:172:18::2/64 dev eth0 nodad",
        "ip route add 192.0.2.0/24 via 172.18.0.9",
    ):
        host.run(*command.split())
    namespaces.enter_network(host.path)
    return host


async def make(rows: set[NodeRouteRow]) -> None:
    """Let a fresh reconciler, as after a restart, make these rows stand."""
    reconciler: Reconciler[str, NodeRouteRow] = Reconciler("ways", lambda _: rows, NodeRouteSink())
    reconciler.touch("all")
    reconciler.inputs_synced()
    refusals: list[str] = []
    for _ in range(3):
        try:
            await reconciler.turn()
        except SinkError as error:
            refusals.append(str(error))
            reconciler._read_back = False
        else:
            return
    pytest.fail(f"the rows do not come to rest: {refusals}")


@sandboxed
async def test_what_is_written_reads_back_and_each_mode_can_follow_each_other() -> None:
    host = node()
    other = Cluster(RANGES, Mode.VXLAN, vxlan=Overlay(5, 4789))
    for cluster, peers in ((DIRECT, 2), (VXLAN, 2), (VXLAN, 1), (other, 1), (DIRECT, 1), (DIRECT, 0)):
        await make(ways(cluster, peers))
        assert set(await NodeRouteSink().read()) == ways(cluster, peers)
    assert "192.0.2.0/24 via 172.18.0.9" in host.run("ip", "route").stdout


@sandboxed
async def test_a_new_mtu_keeps_the_tunnel() -> None:
    host = node()
    await make(ways(VXLAN, 1, 1450))
    before = host.run("ip", "-o", "link", "show", "podwire.vxlan").stdout.split(":")[0]
    await make(ways(VXLAN, 1, 1350))
    after = host.run("ip", "-o", "link", "show", "podwire.vxlan").stdout
    assert after.split(":")[0] == before
    assert "mtu 1350" in after


@sandboxed
async def test_a_tunnel_with_a_foreign_setting_is_recreated() -> None:
    host = node()
    host.run("ip", "link", "add", "podwire.vxlan", "type", "vxlan", "id", "9", "dstport", "1234")
    await make(ways(VXLAN, 1))
    assert set(await NodeRouteSink().read()) == ways(VXLAN, 1)


@sandboxed
async def test_one_impossible_route_stops_no_other_and_is_named() -> None:
    node()
    bad = RouteRow(ipaddress.ip_network("10.244.9.0/24"), ipaddress.ip_address("203.0.113.1"))
    rows = ways(DIRECT, 1)
    with pytest.raises(SinkError, match=r"add route 10\.244\.9\.0/24: .*1 of \d+.*needs --overlay routed"):
        await NodeRouteSink().write(Delta((bad, *rows)))
    assert set(await NodeRouteSink().read()) == rows
