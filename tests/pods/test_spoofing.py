"""A pod cannot be anybody else. Each forged packet is followed by an honest one: only the honest one arrives."""

import socket
import struct
from functools import partial
from ipaddress import ip_address

import pytest

from podwire.kernel import sysctl
from podwire.kernel.links import pack_mac
from podwire.kernel.namespaces import inside_network
from podwire.pods.links import GATEWAYS, NODE_MAC
from podwire.pods.model import Cluster, read_node
from tests.pods.cluster import RANGES, VXLAN, Machine, Pod, SmallCluster, eventually, node_object
from tests.pods.packets import (
    SECONDS,
    arrived,
    ethernet,
    icmp6_packet,
    opened,
    send_frame,
    send_packet,
    udp_packet,
    udp_peer_seen,
)
from tests.sandbox import sandboxed


@pytest.mark.parametrize("version", [4, 6])
@sandboxed
def test_a_forged_source_address_does_not_arrive(version: int) -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        a, b, c = (node.pod(name) for name in "abc")
        target = b.address(version)
        forged = [c.address(version), GATEWAYS[version], "10.244.1.99" if version == 4 else "fd00:10:244:1::99"]
        forged += ["127.0.0.1", "0.0.0.0", "8.8.8.8"] if version == 4 else ["::1", "::", "fe80::7", "2001:db8::1"]
        with opened(b, target, socket.SOCK_DGRAM, bound=9000) as receiver:
            for source in forged:
                send_packet(a, udp_packet(str(source), target, 9000, b"forged"))
                honest = udp_packet(a.address(version), target, 9000, b"honest")
                assert arrived(receiver, partial(send_packet, a, honest))[0] == b"honest", source


@sandboxed
def test_a_forged_packet_leaves_no_trace_in_connection_tracking() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        a, b = node.pod("a"), node.pod("b")
        before = tracked(node)
        for port in range(10):
            send_packet(a, udp_packet("10.244.1.99", b.address(4), 9000 + port, b"forged"))
        assert tracked(node) == before
        send_packet(a, udp_packet(a.address(4), b.address(4), 9000, b"honest"))
        assert tracked(node) > before


def tracked(node: Machine) -> int:
    """Entries of connection tracking."""
    with inside_network(node.host.path):
        return int(sysctl.read("net/netfilter/nf_conntrack_count"))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (133, bytes(4)),
        (134, struct.pack("!BBHII", 64, 0, 1800, 0, 0)),
        (135, bytes(4) + ip_address("fd00:10:244:1::3").packed),
        (136, struct.pack("!I", 0x60000000) + ip_address("fd00:10:244:1::3").packed),
        (137, bytes(4) + ip_address("fd00:10:244:1::3").packed + ip_address("fd00:10:244:1::3").packed),
    ],
    ids=[
        "router solicitation",
        "router advertisement",
        "neighbour solicitation",
        "neighbour advertisement",
        "redirect",
    ],
)
@sandboxed
def test_neighbour_discovery_of_a_pod_is_dropped(kind: int, body: bytes) -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        a, b = node.pod("a"), node.pod("b")
        standing = addressing(node)
        sources = ("fe80::1", a.address(6))
        before = node.dropped()
        for source in sources:
            send_packet(a, icmp6_packet(source, "ff02::1", kind, body))
            send_packet(a, icmp6_packet(source, "fd00:172:18::2", kind, body))
        eventually(lambda: node.dropped() >= before + 2 * len(sources), SECONDS)
        assert addressing(node) == standing
        assert udp_peer_seen(a, b, b.address(6)) == a.address(6)
        assert a.run("ping", "-c1", "-W2", "fd00:172:18::2").returncode == 0


def addressing(node: Machine) -> str:
    """What router advertisements, redirects and neighbours could change."""
    commands = (
        "ip -6 route; ip -6 address; ip route",
        "ip -6 neighbour show nud permanent; ip neighbour show nud permanent",
    )
    return "".join(node.host.run("sh", "-c", command).stdout for command in commands)


@sandboxed
def test_arp_of_a_pod_is_dropped() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        a, b = node.pod("a"), node.pod("b")
        standing, before = addressing(node), node.dropped()
        for operation in (1, 2):
            claim = pack_mac(a.result["interfaces"][1]["mac"]) + ip_address(b.address(4)).packed
            requested = bytes(6) + ip_address("169.254.1.1").packed
            body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + claim + requested
            for target in ("ff:ff:ff:ff:ff:ff", NODE_MAC):
                send_frame(a, ethernet(body, 0x0806, target))
        eventually(lambda: node.dropped() >= before + 4, SECONDS)
        assert addressing(node) == standing
        assert udp_peer_seen(a, b, b.address(4)) == a.address(4)


@sandboxed
def test_dhcp_answers_of_a_pod_do_not_arrive_and_other_datagrams_do() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        a, b = node.pod("a"), node.pod("b")
        for version, server, client in ((4, 67, 68), (6, 547, 546)):
            with opened(b, b.address(version), socket.SOCK_DGRAM, bound=client) as receiver:
                send_packet(a, udp_packet(a.address(version), b.address(version), client, b"forged", server))
                honest = udp_packet(a.address(version), b.address(version), client, b"honest", 5000)
                assert arrived(receiver, partial(send_packet, a, honest))[0] == b"honest"


@sandboxed
def test_a_pod_knows_no_neighbour_but_the_fixed_one_and_takes_no_other_address() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod = node.pod("a")
        link = pod.result["interfaces"][0]["name"]
        advertisement = icmp6_packet("fe80::1", "ff02::1", 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0))
        send_frame(node.host, ethernet(advertisement, 0x86DD, "33:33:00:00:00:01", NODE_MAC), link)
        addresses = pod.run("ip", "-6", "-o", "address", "show", "dev", "eth0").stdout.splitlines()
        assert len(addresses) == 1
        assert pod.address(6) in addresses[0]
        neighbours = pod.run("sh", "-c", "ip neighbour; ip -6 neighbour").stdout.splitlines()
        assert neighbours
        assert all("PERMANENT" in line for line in neighbours)


def vxlan(inner: bytes, identifier: int = 1) -> bytes:
    """A VXLAN payload (RFC 7348) with an Ethernet frame for node-2's device."""
    mac = read_node(node_object(2), Cluster(RANGES))[0].tunnel_mac
    return struct.pack("!II", 0x08000000, identifier << 8) + ethernet(inner, 0x0800, mac)


@sandboxed
def test_vxlan_counts_only_when_a_node_sent_it() -> None:
    with SmallCluster(2, VXLAN) as cluster:
        first, second = cluster.machines
        a, b = first.pod("a"), second.pod("b")
        with opened(b, b.address(4), socket.SOCK_DGRAM, bound=9000) as receiver:

            def tunnelled(sender: Pod | Machine, payload: bytes) -> None:
                host = sender if isinstance(sender, Pod) else sender.host
                inner = udp_packet("10.244.1.200", b.address(4), 9000, payload)
                with opened(host, "172.18.0.3", socket.SOCK_DGRAM) as wire:
                    wire.sendto(vxlan(inner), ("172.18.0.3", 8472))

            before = first.dropped()
            tunnelled(a, b"forged by a pod")
            eventually(lambda: first.dropped() > before, SECONDS)

            before = second.dropped()
            with opened(cluster.outside, "172.18.0.3", socket.SOCK_DGRAM) as wire:
                inner = udp_packet("10.244.1.200", b.address(4), 9000, b"forged by an outsider")
                wire.sendto(vxlan(inner), ("172.18.0.3", 8472))
            eventually(lambda: second.dropped() > before, SECONDS)

            assert arrived(receiver, partial(tunnelled, first, b"a node's word"))[0] == b"a node's word"


@sandboxed
def test_a_pod_cannot_reach_the_vxlan_port_of_its_own_node() -> None:
    with SmallCluster(2, VXLAN) as cluster:
        first, _ = cluster.machines
        a = first.pod("a")
        before = first.dropped()
        with opened(a, "172.18.0.2", socket.SOCK_DGRAM) as wire:
            wire.sendto(b"anything", ("172.18.0.2", 8472))
        eventually(lambda: first.dropped() > before, SECONDS)
        assert udp_peer_seen(a, first.host, "172.18.0.2") == a.address(4)


@sandboxed
def test_with_an_overlay_a_pods_address_counts_only_when_it_comes_through_the_tunnel() -> None:
    with SmallCluster(2, VXLAN) as cluster:
        first, second = cluster.machines
        a, b = first.pod("a"), second.pod("b")
        cluster.outside.run("ip", "route", "add", "10.244.0.0/16", "via", "172.18.0.3")
        cluster.outside.run("ip", "address", "add", a.address(4), "dev", "lo")
        with (
            opened(b, b.address(4), socket.SOCK_DGRAM, bound=9000) as receiver,
            opened(cluster.outside, b.address(4), socket.SOCK_DGRAM) as forger,
        ):
            forger.bind((a.address(4), 7000))
            before = second.dropped()
            forger.sendto(b"forged", (b.address(4), 9000))
            eventually(lambda: second.dropped() > before, SECONDS)
            honest = udp_packet(a.address(4), b.address(4), 9000, b"honest")
            assert arrived(receiver, partial(send_packet, a, honest))[0] == b"honest"
