"""Who reaches pods under their own addresses beside pods and nodes: the API servers, and ranges that are named."""

import ipaddress
import socket
from functools import partial

from podwire.pods.mode import Mode
from podwire.pods.model import Cluster
from tests.pods.cluster import RANGES, Machine, Pod, SmallCluster, eventually
from tests.pods.packets import SECONDS, arrived, opened
from tests.sandbox import Host, sandboxed

SERVER = {4: "172.18.255.7", 6: "fd00:172:18::ff07"}
STRANGER = {4: "172.18.255.8", 6: "fd00:172:18::ff08"}
OFFICE = {4: "172.18.9.9", 6: "fd00:172:18::9:9"}


def outside(cluster: SmallCluster) -> Host:
    """The outside host with all these addresses, and routes to the pods of node 1."""
    host = cluster.outside
    for addresses in (SERVER, STRANGER, OFFICE):
        host.add_addresses("eth0", *addresses.values())
    host.run("ip", "route", "add", "10.244.1.0/24", "via", "172.18.0.2")
    host.run("ip", "-6", "route", "add", "fd00:10:244:1::/64", "via", "fd00:172:18::2")
    return host


def denied_then_allowed(host: Host, node: Machine, pod: Pod, denied: dict[int, str], allowed: dict[int, str]) -> None:
    """What comes from the first addresses is dropped, what comes from the others arrives and is answered."""
    for version in (4, 6):
        address = pod.address(version)
        with (
            opened(pod, address, socket.SOCK_DGRAM, bound=9000) as receiver,
            opened(host, address, socket.SOCK_DGRAM) as stranger,
            opened(host, address, socket.SOCK_DGRAM) as friend,
        ):
            stranger.bind((denied[version], 7001))
            friend.bind((allowed[version], 7002))
            before = node.dropped()
            stranger.sendto(b"stranger", (address, 9000))
            eventually(lambda before=before: node.dropped() > before, SECONDS)  # type: ignore[misc]
            data, peer = arrived(receiver, partial(friend.sendto, b"friend", (address, 9000)))
            assert data == b"friend"
            _, answering = arrived(friend, partial(receiver.sendto, b"welcome", peer))
            assert answering[0] == address


@sandboxed
def test_api_servers_reach_pods_by_the_endpoint_slice_that_they_write() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        host, pod = outside(cluster), node.pod("a")
        for namespace, name in (("default", "kubernetes-2"), ("shop", "kubernetes")):
            node.publish(namespace, name, *STRANGER.values())
        node.publish("default", "kubernetes", *SERVER.values(), "127.0.0.1", "not an address")
        eventually(lambda: SERVER[6] in node.host.run("nft", "list", "ruleset").stdout)
        denied_then_allowed(host, node, pod, STRANGER, SERVER)
        node.publish("default", "kubernetes", *OFFICE.values())
        eventually(lambda: SERVER[6] not in node.host.run("nft", "list", "ruleset").stdout)
        denied_then_allowed(host, node, pod, SERVER, OFFICE)


@sandboxed
def test_ranges_that_are_named_reach_pods_also_with_an_overlay() -> None:
    ranges = tuple(map(ipaddress.ip_network, ("172.18.9.0/24", "fd00:172:18::9:0/112")))
    with SmallCluster(1, Cluster(RANGES, Mode.VXLAN, access=ranges)) as cluster:
        (node,) = cluster.machines
        host, pod = outside(cluster), node.pod("a")
        denied_then_allowed(host, node, pod, STRANGER, OFFICE)
