"""The node's own network changes under running pods, and they follow: mtu, addresses, links, routes."""

import errno
import ipaddress
import json
import socket

import pytest

from podwire.kernel.namespaces import enter_network
from podwire.kernel.netlink import Netlink
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster
from podwire.pods.uplink import Hop, Uplink, neighbour
from podwire.pods.uplink_reader import find_uplink, router
from tests.pods.cluster import DIRECT, RANGES, VXLAN, Machine, Pod, SmallCluster, eventually
from tests.pods.flows import held
from tests.pods.packets import opened, udp_peer_seen
from tests.pods.subnets import TwoSubnets, addresses
from tests.pods.test_rows import network
from tests.sandbox import Host, join, sandboxed

IP, NET = ipaddress.ip_address, ipaddress.ip_network


def mtu(host: Host, link: str) -> int:
    (found,) = json.loads(host.run("ip", "-j", "link", "show", link).stdout)
    return int(found["mtu"])


def ends(machine: Machine, pod: Pod) -> tuple[int, int]:
    """The mtu of both ends of a pod's link."""
    return mtu(machine.host, pod.result["interfaces"][0]["name"]), mtu(pod, "eth0")


def routes_of(host: Host) -> set[str]:
    lines = host.run("sh", "-c", "ip route; ip -6 route").stdout.splitlines()
    return {line.strip() for line in lines if "proto 112" in line or "proto 113" in line}


@pytest.mark.parametrize(("mode", "less"), [(DIRECT, 0), (VXLAN, 50)], ids=["direct", "vxlan"])
@sandboxed
def test_running_pods_follow_the_mtu_of_the_uplink(mode: Cluster, less: int) -> None:
    with SmallCluster(2, mode) as cluster:
        first, second = cluster.machines
        a, b = first.pod("a"), second.pod("b")
        with held(a, b) as flows:
            for size in (1400, 1500):
                for machine in cluster.machines:
                    machine.host.run("ip", "link", "set", "eth0", "mtu", str(size))
                for machine, pod in ((first, a), (second, b)):
                    expected = (size - less, size - less)
                    eventually(lambda m=machine, p=pod, e=expected: ends(m, p) == e)  # type: ignore[misc]
                    assert machine.cni("CHECK", pod, {"prevResult": pod.result}) == (0, None)
                if mode is VXLAN:
                    eventually(lambda s=size: mtu(first.host, "podwire.vxlan") == s - less)  # type: ignore[misc]
                for flow in flows:
                    assert flow.passes(size=200_000), flow.name


@sandboxed
def test_a_pods_end_that_a_later_plugin_made_smaller_keeps_its_size() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        tuned, other = node.pod("a"), node.pod("b")
        tuned.run("ip", "link", "set", "eth0", "mtu", "1300")
        assert node.cni("CHECK", tuned, {"prevResult": tuned.result}) == (0, None)
        node.host.run("ip", "link", "set", "eth0", "mtu", "1400")
        eventually(lambda: ends(node, other) == (1400, 1400))
        eventually(lambda: ends(node, tuned) == (1400, 1300))


@sandboxed
def test_pods_from_before_follow_an_uplink_that_changed_while_no_agent_ran() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod = node.pod("a")
        node.kill()
        node.host.run("ip", "link", "set", "eth0", "mtu", "1400")
        node.start(*cluster.objects)
        eventually(lambda: ends(node, pod) == (1400, 1400))


@sandboxed
def test_routes_come_back_after_the_uplink_was_down_or_lost_its_address() -> None:
    with SmallCluster(2) as cluster:
        first, second = cluster.machines
        a, b = first.pod("a"), second.pod("b")
        before = routes_of(first.host)
        restore = "ip address replace 172.18.0.2/16 dev eth0; ip address replace fd00:172:18::2/64 dev eth0 nodad"
        for damage in ("ip link set eth0 down; ip link set eth0 up", "ip address flush dev eth0 scope global"):
            first.host.run("sh", "-c", f"{damage}; {restore}")
            eventually(lambda: routes_of(first.host) == before)
            for version in (4, 6):
                assert udp_peer_seen(a, b, b.address(version)) == a.address(version)


@pytest.mark.parametrize("mode", [DIRECT, VXLAN], ids=["direct", "vxlan"])
@sandboxed
def test_a_node_that_changes_its_address_keeps_its_pods_connections(mode: Cluster) -> None:
    with SmallCluster(2, mode) as cluster:
        first, second = cluster.machines
        a, b = first.pod("a"), second.pod("b")
        with held(a, b) as flows:
            first.host.run("sysctl", "-qw", "net.ipv4.conf.eth0.promote_secondaries=1")
            first.host.run("ip", "address", "add", "172.18.7.7/16", "dev", "eth0")
            first.host.run("ip", "address", "del", "172.18.0.2/16", "dev", "eth0")
            for machine in cluster.machines:
                machine.readdress(1, "172.18.7.7", "fd00:172:18::2")
            for flow in flows:
                assert flow.passes(), flow.name
        assert "172.18.0.2" not in first.host.run("nft", "list", "ruleset").stdout
        assert "172.18.0.2" not in second.host.run("sh", "-c", "nft list ruleset; ip route").stdout
        name = a.result["interfaces"][0]["name"]
        eventually(lambda: "src 172.18.7.7" in first.host.run("ip", "route", "show", "dev", name).stdout)


@sandboxed
def test_routed_ways_follow_the_default_route_to_another_uplink() -> None:
    with TwoSubnets(Cluster(RANGES, Mode.ROUTED)) as cluster:
        cluster.teach_router()
        first, _, third = cluster.machines
        a, c = first.pod("a"), third.pod("c")
        cluster.router.run("ip", "address", "add", "172.18.1.99/24", "dev", "subnet1")
        first.host.run("ip", "route", "replace", "default", "via", "172.18.1.99")
        eventually(lambda: "10.244.3.0/24 via 172.18.1.99" in first.host.run("ip", "route").stdout)
        assert udp_peer_seen(a, c, c.address(4)) == a.address(4)


@sandboxed
def test_a_second_uplink_makes_neighbours_of_nodes_in_its_subnet() -> None:
    with TwoSubnets(Cluster(RANGES, Mode.CROSS_SUBNET), strict=True) as cluster:
        first, _, third = cluster.machines
        a, c = first.pod("a"), third.pod("c")
        assert "10.244.3.0/24 via 10.244.3.1 dev podwire.vxlan" in first.host.run("ip", "route").stdout
        join(first.host, cluster.underlay, "eth1", "node-1-2")
        cluster.underlay.run("ip", "link", "set", "node-1-2", "master", "br2")
        first.host.run("ip", "address", "add", "172.18.2.9/24", "dev", "eth1")
        for machine in cluster.machines:
            machine.readdress(1, *addresses(1), "172.18.2.9")
        for machine, way in ((first, "10.244.3.0/24 via 172.18.2.4"), (third, "10.244.1.0/24 via 172.18.2.9")):
            eventually(lambda m=machine, w=way: w in m.host.run("ip", "route").stdout)  # type: ignore[misc]
        for version in (4, 6):
            assert udp_peer_seen(a, c, c.address(version)) == a.address(version)
            assert udp_peer_seen(c, a, a.address(version)) == c.address(version)


@pytest.mark.long
@sandboxed
def test_a_packet_that_is_too_large_further_on_is_reported_to_the_pod() -> None:
    with TwoSubnets(Cluster(RANGES, Mode.ROUTED)) as cluster:
        cluster.teach_router()
        first, _, third = cluster.machines
        a, c = first.pod("a"), third.pod("c")
        with held(a, c) as flows:
            cluster.router.run("ip", "link", "set", "subnet2", "mtu", "1400")
            third.host.run("ip", "link", "set", "eth0", "mtu", "1400")
            eventually(lambda: ends(third, c) == (1400, 1400))
            for flow in flows:
                assert flow.passes(size=200_000), flow.name
        for version, option in ((4, (socket.IPPROTO_IP, 10)), (6, (socket.IPPROTO_IPV6, 23))):
            address = c.address(version)
            with opened(a, address, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(*option, 2)  # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: PMTUDISC_DO
                sender.connect((address, 9))
                assert refusal(sender, bytes(1430)) == errno.EMSGSIZE


def refusal(sender: socket.socket, payload: bytes) -> int:
    """The error number of one of a few datagrams; 0 if all are sent. The connections have taught the size already."""
    for _ in range(3):
        try:
            sender.send(payload)
        except OSError as error:
            return error.errno or 0
    return 0


@sandboxed
def test_the_uplink_is_what_bears_the_nodes_address_else_the_default_routes_link() -> None:
    host = Host("node")
    for number, size in ((0, 1400), (1, 9000)):
        host.run("ip", "link", "add", f"eth{number}", "mtu", str(size), "type", "veth", "peer", "name", f"far{number}")
        host.run("ip", "link", "set", f"eth{number}", "up")
        host.run("ip", "link", "set", f"far{number}", "up")
        host.run("ip", "address", "add", f"192.168.{number}.5/24", "dev", f"eth{number}")
    host.run("ip", "address", "add", "10.9.9.9/32", "dev", "lo")
    host.run("ip", "route", "add", "default", "via", "192.168.0.1")
    with Netlink(host.path) as netlink:
        assert find_uplink(netlink, [IP("192.168.1.5")]) == Uplink(9000, (IP("192.168.1.5"),), (NET("192.168.1.0/24"),))
        assert find_uplink(netlink, [IP("10.9.9.9")]) == Uplink(1400, (IP("10.9.9.9"),), ())
        assert find_uplink(netlink, [IP("203.0.113.5")]) == Uplink(1400)
        host.run("ip", "route", "replace", "default", "via", "192.168.1.1")
        assert find_uplink(netlink, [IP("10.9.9.9")]).mtu == 9000
        both = find_uplink(netlink, [IP("192.168.1.5"), IP("192.168.0.5")])
        assert (both.mtu, both.subnets) == (1400, (NET("192.168.0.0/24"), NET("192.168.1.0/24")))


@sandboxed
def test_the_router_to_an_address() -> None:
    def index(name: str) -> int:
        return socket.if_nametoindex(name)

    host = Host("node")
    for command in (
        "ip link add eth0 type bridge",
        "ip link set eth0 up",
        "ip address add 172.18.0.2/16 dev eth0",
        "ip route add 192.0.2.0/24 via 172.18.0.9",
        "ip -6 route add 2001:db8::/32 via fe80::9 dev eth0",
        "ip route add unreachable 198.51.100.0/24",
    ):
        host.run(*command.split())
    enter_network(host.path)
    assert router(IP("192.0.2.7")) == Hop(IP("172.18.0.9"), index("eth0"))
    assert router(IP("2001:db8::7")) == Hop(IP("fe80::9"), index("eth0"))
    assert router(IP("172.18.0.7")) == Hop(IP("172.18.0.7"), index("eth0"))
    for nowhere in ("198.51.100.7", "203.0.113.7", "172.18.0.2"):
        assert router(IP(nowhere)) is None


def test_nodes_that_share_subnets_choose_the_same_one() -> None:
    subnets = (NET("10.2.0.0/24"), NET("10.1.0.0/24"), NET("fd00:1::/64"))
    one = network(1)
    for order in (("10.2.0.7", "10.1.0.7"), ("10.1.0.7", "10.2.0.7")):
        peer = type(one)("peer", one.ranges, tuple(map(IP, order)))
        assert neighbour(peer, Uplink(1500, subnets=subnets), 4) == IP("10.1.0.7")
        assert neighbour(peer, Uplink(1500, subnets=subnets), 6) is None
    assert neighbour(network(2), Uplink(1500, subnets=subnets), 4) is None
    assert addresses(1)[0] == "172.18.1.2"
