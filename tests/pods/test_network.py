"""Pods reach each other, and their nodes, under their own addresses."""

import errno
import socket

import pytest

from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, Overlay
from tests.pods.cluster import DIRECT, RANGES, VXLAN, Machine, Pod, SmallCluster, eventually
from tests.pods.packets import SECONDS, arrived, opened, tcp_peer_seen, udp_peer_seen
from tests.sandbox import Host, sandboxed

OTHER_VXLAN = Cluster(RANGES, Mode.VXLAN, vxlan=Overlay(7, 4789))
VXLAN_OVER_6 = Cluster(RANGES, Mode.VXLAN, vxlan=Overlay(version=6))
OVERLAYS = pytest.mark.parametrize("mode", [DIRECT, VXLAN], ids=["direct", "vxlan"])


def both_ways(left: Pod, right: Pod) -> None:
    """Each sees the other's own address, in both families, over TCP and UDP."""
    for client, server in ((left, right), (right, left)):
        for version in (4, 6):
            target, own = server.address(version), client.address(version)
            assert tcp_peer_seen(client, server, target) == own
            assert udp_peer_seen(client, server, target) == own


@sandboxed
def test_pods_of_one_node_see_each_others_own_address() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        a, b = node.pod("a"), node.pod("b")
        both_ways(a, b)
        for nobody in ("10.244.1.77", "fd00:10:244:1::77"):
            assert "nreachable" in a.run("ping", "-c1", "-W2", nobody, check=False).stdout


@OVERLAYS
@sandboxed
def test_pods_of_two_nodes_see_each_others_own_address(mode: Cluster) -> None:
    with SmallCluster(2, mode) as cluster:
        a, b = (machine.pod(name) for machine, name in zip(cluster.machines, "ab", strict=True))
        both_ways(a, b)
        assert a.run("ping", "-c1", "-W2", b.address(4)).returncode == 0
        assert a.run("ping", "-c1", "-W2", b.address(6)).returncode == 0


@pytest.mark.parametrize("mode", [Mode.DIRECT, pytest.param(Mode.VXLAN, marks=pytest.mark.long)])
@pytest.mark.parametrize("version", [4, 6])
@sandboxed
def test_a_cluster_of_one_ip_version_gives_pods_and_nodes_that_version_alone(version: int, mode: Mode) -> None:
    cluster = Cluster(tuple(one for one in RANGES if one.version == version), mode)
    with SmallCluster(2, cluster, versions=(version,), pods=(version,)) as small:
        first, second = small.machines
        a, b = first.pod("a"), second.pod("b")
        assert len(a.result["ips"]) == 1
        assert tcp_peer_seen(a, b, b.address(version)) == a.address(version)
        assert udp_peer_seen(b, a, a.address(version)) == b.address(version)
        other = {4: "-6", 6: "-4"}[version]
        assert "pw" not in second.host.run("ip", other, "route").stdout
        assert "global" not in a.run("ip", other, "address", "show", "eth0").stdout
        outside = {4: "172.18.255.1", 6: "fd00:172:18::ff01"}[version]
        node = {4: "172.18.0.2", 6: "fd00:172:18::2"}[version]
        assert tcp_peer_seen(a, small.outside, outside) == node


@OVERLAYS
@sandboxed
def test_nodes_reach_pods_without_translation(mode: Cluster) -> None:
    with SmallCluster(2, mode) as cluster:
        first, second = cluster.machines
        pod = first.pod("a")
        for version, own in ((4, "172.18.0.2"), (6, "fd00:172:18::2")):
            assert tcp_peer_seen(first.host, pod, pod.address(version)) == own
        far = {4: "10.244.2.1", 6: "fd00:10:244:2::1"} if mode is VXLAN else {4: "172.18.0.3", 6: "fd00:172:18::3"}
        for version, own in far.items():
            assert tcp_peer_seen(second.host, pod, pod.address(version)) == own


@OVERLAYS
@sandboxed
def test_pods_reach_nodes(mode: Cluster) -> None:
    with SmallCluster(2, mode) as cluster:
        first, second = cluster.machines
        pod = first.pod("a")
        for version, near, far in ((4, "172.18.0.2", "172.18.0.3"), (6, "fd00:172:18::2", "fd00:172:18::3")):
            assert tcp_peer_seen(pod, first.host, near) == pod.address(version)
            seen = near if mode is VXLAN else pod.address(version)
            assert tcp_peer_seen(pod, second.host, far) == seen


@pytest.mark.parametrize(
    ("mode", "versions", "mtu"),
    [(DIRECT, (4, 6), 1500), (VXLAN, (4, 6), 1450), (OTHER_VXLAN, (6,), 1430), (VXLAN_OVER_6, (4, 6), 1430)],
    ids=["direct", "vxlan", "vxlan over IPv6", "vxlan over IPv6 of nodes with both"],
)
@sandboxed
def test_packets_of_the_full_mtu_pass_and_longer_ones_are_refused_at_once(
    mode: Cluster, versions: tuple[int, ...], mtu: int
) -> None:
    with SmallCluster(2, mode, versions=versions) as cluster:
        a, b = (machine.pod(name) for machine, name in zip(cluster.machines, "ab", strict=True))
        assert [interface["mtu"] for interface in a.result["interfaces"]] == [mtu, mtu]
        for version, header in ((4, 28), (6, 48)):
            for size in (mtu - 1, mtu):
                assert_whole_datagram_arrives(a, b, b.address(version), size - header)
            with pytest.raises(OSError, match="Message too long") as refused:
                assert_whole_datagram_arrives(a, b, b.address(version), mtu + 1 - header)
            assert refused.value.errno == errno.EMSGSIZE
            assert udp_peer_seen(a, b, b.address(version), payload=bytes(9000)) == a.address(version)


def assert_whole_datagram_arrives(client: Host, server: Host, address: str, size: int) -> None:
    """With "do not fragment" set."""
    with (
        opened(server, address, socket.SOCK_DGRAM, bound=9000) as receiver,
        opened(client, address, socket.SOCK_DGRAM) as sender,
    ):
        if ":" in address:
            sender.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO
        else:
            sender.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
        data, _ = arrived(receiver, lambda: sender.sendto(bytes(size), (address, 9000)))
        assert len(data) == size


@sandboxed
def test_the_mtu_follows_the_underlay() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        node.host.run("ip", "link", "set", "eth0", "mtu", "1400")
        node.kill()
        node.start(*cluster.objects)
        assert node.pod("a").result["interfaces"][1]["mtu"] == 1400


@sandboxed
def test_a_node_that_gets_its_pod_ranges_later_waits_for_them() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        node.kill_without_mark()
        (known,) = cluster.objects
        node.start(type(known)(metadata=known.metadata, status=known.status))
        pod = Pod("a")
        for command, code in (("STATUS", 50), ("ADD", 11)):
            status, answer = node.cni(command, None if command == "STATUS" else pod)
            assert (status, answer["code"]) == (1, code)
            assert "podCIDR" in answer["msg"]
        node.readdress(1, *known.internal_addresses)
        eventually(lambda: node.cni("STATUS")[0] == 0)
        assert node.cni("ADD", pod)[0] == 0


@OVERLAYS
@sandboxed
def test_traffic_that_leaves_the_cluster_bears_the_nodes_address(mode: Cluster) -> None:
    with SmallCluster(1, mode) as cluster:
        (node,) = cluster.machines
        pod = node.pod("a")
        for target, own in (("172.18.255.1", "172.18.0.2"), ("fd00:172:18::ff01", "fd00:172:18::2")):
            assert tcp_peer_seen(pod, cluster.outside, target) == own
            assert udp_peer_seen(pod, cluster.outside, target) == own
        assert pod.run("ping", "-c1", "-W2", "172.18.255.1").returncode == 0
        assert pod.run("ping", "-c1", "-W2", "fd00:172:18::ff01").returncode == 0


@sandboxed
def test_no_masqueraded_source_port_is_the_vxlan_port() -> None:
    with SmallCluster(1, VXLAN) as cluster:
        (node,) = cluster.machines
        pod = node.pod("a")
        with (
            opened(cluster.outside, "172.18.255.1", socket.SOCK_DGRAM, bound=9000) as receiver,
            opened(pod, "172.18.255.1", socket.SOCK_DGRAM, bound=8472) as sender,
        ):
            sender.sendto(b"x", ("172.18.255.1", 9000))
            _, (_, port) = receiver.recvfrom(100)
            assert port >= 32768
            receiver.sendto(b"y", ("172.18.0.2", port))
            assert sender.recv(100) == b"y"


@sandboxed
def test_outsiders_do_not_reach_pods_directly_but_nodes_do() -> None:
    with SmallCluster(2) as cluster:
        first, second = cluster.machines
        pod = first.pod("a")
        cluster.outside.run("ip", "route", "add", "10.244.1.0/24", "via", "172.18.0.2")
        cluster.outside.run("ip", "-6", "route", "add", "fd00:10:244:1::/64", "via", "fd00:172:18::2")
        for version in (4, 6):
            address = pod.address(version)
            with (
                opened(pod, address, socket.SOCK_DGRAM, bound=9000) as receiver,
                opened(cluster.outside, address, socket.SOCK_DGRAM) as stranger,
                opened(second.host, address, socket.SOCK_DGRAM) as friend,
            ):
                before = first.dropped()
                stranger.sendto(b"stranger", (address, 9000))
                eventually_dropped(first, before)
                friend.sendto(b"friend", (address, 9000))
                assert receiver.recv(100) == b"friend"


def eventually_dropped(node: Machine, before: int) -> None:
    """Local delivery over veth is immediate, but for the softirq that the last hop runs in."""

    eventually(lambda: node.dropped() > before, SECONDS)


@sandboxed
def test_a_node_that_is_gone_is_unreachable_at_once_and_leaves_nothing_behind() -> None:
    with SmallCluster(2, VXLAN) as cluster:
        first, second = cluster.machines
        a, b = first.pod("a"), second.pod("b")
        assert udp_peer_seen(a, b, b.address(4)) == a.address(4)
        first.kill()
        first.start(cluster.objects[0])

        eventually((first.folder / "settled").exists)
        assert "nreachable" in a.run("ping", "-c1", "-W2", b.address(4), check=False).stdout
        assert "172.18.0.3" not in first.host.run("bridge", "fdb", "show", "dev", "podwire.vxlan").stdout
        assert "10.244.2.1" not in first.host.run("ip", "neighbour").stdout
        assert "172.18.0.3" not in first.host.run("nft", "list", "ruleset").stdout
