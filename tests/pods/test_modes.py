"""How packets travel between nodes, in two subnets, and the change from each way to each other one."""

import itertools
import json
import socket
from functools import partial

import pytest

from podwire.pods.mode import Mode
from podwire.pods.model import Cluster
from tests.pods.cluster import DIRECT, RANGES, VXLAN, Machine, Pod, eventually
from tests.pods.flows import held
from tests.pods.packets import SECONDS, arrived, opened, send_packet, tcp_peer_seen, udp_packet, udp_peer_seen
from tests.pods.subnets import TwoSubnets, addresses
from tests.sandbox import Host, sandboxed

CROSS_SUBNET, ROUTED, NONE = (Cluster(RANGES, mode) for mode in (Mode.CROSS_SUBNET, Mode.ROUTED, Mode.NONE))
LEAKS = """
table inet leaks {
  chain c {
    type filter hook prerouting priority raw
    ip daddr 10.244.0.0/16 counter
    ip6 daddr fd00:10:244::/56 counter
  }
}
"""


def pods_of(cluster: TwoSubnets) -> tuple[Pod, ...]:
    return tuple(machine.pod(name) for machine, name in zip(cluster.machines, "abc", strict=True))


def each_reaches_each(pods: tuple[Pod, ...]) -> None:
    """By TCP and UDP, in both families, under their own addresses."""
    for client, server in itertools.permutations(pods, 2):
        for version in (4, 6):
            assert tcp_peer_seen(client, server, server.address(version)) == client.address(version)
            assert udp_peer_seen(client, server, server.address(version)) == client.address(version)


def tunnelled(machine: Machine) -> int:
    """Packets that this node sent through its tunnel."""
    (link,) = json.loads(machine.host.run("ip", "-j", "-s", "link", "show", "podwire.vxlan").stdout)
    return int(link["stats64"]["tx"]["packets"])


def leaked(router: Host) -> int:
    """Packets to pods that came to the router without VXLAN."""
    rules = json.loads(router.run("nft", "-j", "list", "table", "inet", "leaks").stdout)["nftables"]
    return sum(part["counter"]["packets"] for rule in rules if "rule" in rule for part in rule["rule"]["expr"][-1:])


@sandboxed
def test_vxlan_is_only_between_subnets_and_paths_are_symmetric() -> None:
    with TwoSubnets(CROSS_SUBNET, strict=True) as cluster:
        a, b, c = pods = pods_of(cluster)
        each_reaches_each(pods)
        before = [tunnelled(machine) for machine in cluster.machines]
        each_reaches_each((a, b))
        assert [tunnelled(machine) for machine in cluster.machines] == before
        each_reaches_each((b, c))
        assert tunnelled(cluster.machines[2]) > before[2]


@pytest.mark.long
@sandboxed
def test_nodes_and_pods_of_other_nodes_reach_each_other() -> None:
    with TwoSubnets(CROSS_SUBNET, strict=True) as cluster:
        a, _, c = pods_of(cluster)
        first, second, _ = cluster.machines
        for version, far, near in ((4, "172.18.2.4", "172.18.1.3"), (6, "fd00:172:18:2::4", "fd00:172:18:1::3")):
            for target, address in ((second, near), (cluster.machines[2], far)):
                assert tcp_peer_seen(a, target.host, address) == addresses(1)[version == 6]
            assert tcp_peer_seen(second.host, a, a.address(version)) == near
            assert tcp_peer_seen(first.host, c, c.address(version)) == ("10.244.1.1", "fd00:10:244:1::1")[version == 6]


@sandboxed
def test_the_pods_of_another_subnet_count_only_when_they_come_through_the_tunnel() -> None:
    with TwoSubnets(CROSS_SUBNET) as cluster:
        a, b, c = pods_of(cluster)
        cluster.router.run("ip", "route", "add", "10.244.1.0/24", "via", addresses(1)[0])
        cluster.router.run("ip", "address", "add", c.address(4), "dev", "lo")
        with (
            opened(a, a.address(4), socket.SOCK_DGRAM, bound=9000) as receiver,
            opened(cluster.router, a.address(4), socket.SOCK_DGRAM) as forger,
        ):
            forger.bind((c.address(4), 7000))
            before = cluster.machines[0].dropped()
            forger.sendto(b"forged", (a.address(4), 9000))
            eventually(lambda: cluster.machines[0].dropped() > before, SECONDS)
            for honest in (b, c):
                packet = udp_packet(honest.address(4), a.address(4), 9000, b"honest")
                assert arrived(receiver, partial(send_packet, honest, packet))[0] == b"honest"


@sandboxed
def test_routers_that_know_the_pod_ranges_carry_what_leaves_the_subnet() -> None:
    with TwoSubnets(ROUTED, strict=True) as cluster:
        pods = pods_of(cluster)
        cluster.teach_router()
        each_reaches_each(pods)


@pytest.mark.parametrize("cluster", [DIRECT, NONE], ids=["direct", "none"])
@sandboxed
def test_without_a_way_to_the_other_subnet_nothing_leaves_the_node(cluster: Cluster) -> None:
    with TwoSubnets(cluster) as network:
        network.router.run("nft", LEAKS)
        a, b, c = pods_of(network)
        if cluster is DIRECT:
            each_reaches_each((a, b))
            for version in (4, 6):
                assert "nreachable" in a.run("ping", "-c1", "-W2", c.address(version), check=False).stdout
            assert leaked(network.router) == 0
        else:
            a.run("ping", "-c1", "-W1", c.address(4), check=False)
            assert leaked(network.router) > 0, "the routes are another program's: here the default route is"


def change_with_both_accepted(cluster: TwoSubnets, old: Cluster, new: Cluster) -> list[tuple[Machine, Cluster]]:
    """The steps of a change in which each node accepts both for as long as nodes differ."""
    stages = (
        Cluster(RANGES, old.mode, accepts=new.mode),
        Cluster(RANGES, new.mode, accepts=old.mode),
        new,
    )
    return [(machine, stage) for stage in stages for machine in cluster.machines]


def walk(modes: tuple[Cluster, ...]) -> None:
    """Change from each of these modes to the next; no packet of an open connection is lost for good, or waits long."""
    with TwoSubnets(modes[0]) as cluster:
        cluster.teach_router()
        with held(*pods_of(cluster)) as flows:
            for old, new in itertools.pairwise(modes):
                for machine, stage in change_with_both_accepted(cluster, old, new):
                    cluster.change(machine, stage)
                    for flow in flows:
                        assert flow.passes(5.0), f"{flow.name}, {machine.name} {old.mode} to {stage.mode}"


@sandboxed
def test_open_connections_pass_all_through_a_change_in_which_both_modes_are_accepted() -> None:
    walk((ROUTED, CROSS_SUBNET))


@pytest.mark.long
@sandboxed
def test_open_connections_pass_all_through_a_change_from_each_mode_to_each_other() -> None:
    walk((ROUTED, VXLAN, CROSS_SUBNET, ROUTED, CROSS_SUBNET, VXLAN, ROUTED))


@pytest.mark.parametrize(
    ("old", "new"),
    [(VXLAN, CROSS_SUBNET), pytest.param(CROSS_SUBNET, VXLAN, marks=pytest.mark.long)],
    ids=["there", "back"],
)
@sandboxed
def test_a_change_at_once_fails_closed_between_and_open_connections_go_on_after_it(old: Cluster, new: Cluster) -> None:
    with TwoSubnets(old) as cluster:
        cluster.router.run("nft", LEAKS)
        a, b, c = pods_of(cluster)
        with held(a, b, c) as flows:
            first, *others = cluster.machines
            cluster.change(first, new)
            assert not flows[0].passes(0.3), "a and b do not agree now"
            for machine in others:
                cluster.change(machine, new)
            for flow in flows[1:]:
                assert flow.passes(), flow.name
        each_reaches_each((a, b, c))
        assert leaked(cluster.router) == 0
