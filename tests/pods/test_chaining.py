"""podwire behind another plugin, which made the pod's link: it isolates by the node's end and leaves the rest."""

import socket
from typing import Any

from podwire.kernel import links
from podwire.kernel.namespaces import enter_network
from podwire.kernel.netlink import Netlink
from podwire.pods import adopted_links
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster
from tests.pods.cluster import RANGES, Machine, Pod, SmallCluster, eventually
from tests.pods.packets import SECONDS, arrived, opened, send_packet, tcp_peer_seen, udp_packet, udp_peer_seen
from tests.sandbox import Host, sandboxed

ADDRESS = {4: "10.244.1.77", 6: "fd00:10:244:1::77"}


def point_to_point(node: Machine, pod: Host, end: str, ipv4: str, ipv6: str) -> dict[str, Any]:
    """Make a link as the reference plugin ptp does; return its result."""
    pod.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", end, "netns", str(node.host.path))
    pod.run("ip", "link", "set", "eth0", "up")
    node.host.run("ip", "link", "set", end, "up")
    for gateway, address in (("10.244.1.1", ipv4), ("fd00:10:244:1::1", ipv6)):
        family = "-6" if ":" in address else "-4"
        pod.add_addresses("eth0", address)
        pod.run("ip", family, "route", "add", gateway, "dev", "eth0")
        pod.run("ip", family, "route", "add", "default", "via", gateway, "dev", "eth0")
        node.host.add_addresses(end, gateway)
        node.host.run("ip", family, "route", "append", address, "dev", end)
    return {
        "cniVersion": "1.0.0",
        "interfaces": [
            {"name": end, "mac": "00:00:00:00:00:01"},
            {"name": "eth0", "mac": "00:00:00:00:00:02", "sandbox": str(pod.path)},
        ],
        "ips": [
            {"interface": 1, "address": f"{ipv4}/24", "gateway": "10.244.1.1"},
            {"interface": 1, "address": f"{ipv6}/64", "gateway": "fd00:10:244:1::1"},
        ],
        "routes": [{"dst": "0.0.0.0/0", "mtu": 1400}],
        "dns": {"nameservers": ["192.0.2.53"]},
        "example.com/more": 7,
    }


def chained(node: Machine, name: str, number: int) -> Pod:
    """A pod with a link of another plugin that podwire has taken over."""
    pod = Pod(name)
    previous = point_to_point(node, pod, f"veth{number}", f"10.244.1.{number}", f"fd00:10:244:1::{number}")
    status, pod.result = node.cni("ADD", pod, {"prevResult": previous, "cniVersion": "1.0.0"})
    assert status == 0, pod.result
    return pod


@sandboxed
def test_the_result_is_that_of_the_earlier_plugin_but_for_the_name_of_the_nodes_end() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod = Pod("a")
        previous = point_to_point(node, pod, "veth77", *ADDRESS.values())
        link = ""
        for _ in range(2):
            status, result = node.cni("ADD", pod, {"prevResult": previous, "cniVersion": "1.0.0"})
            assert status == 0, result
            (link,) = node.links()
            assert result["interfaces"][0].pop("name") == link
            expected = {**previous, "interfaces": [{"mac": "00:00:00:00:00:01"}, previous["interfaces"][1]]}
            assert result == expected
        assert "altname veth77" in node.host.run("ip", "link", "show", "veth77").stdout
        assert "podwire adopted shop/a" in node.host.run("ip", "link", "show", link).stdout


@sandboxed
def test_pods_of_both_kinds_on_two_nodes_reach_each_other_and_can_be_nobody_else() -> None:
    with SmallCluster(2) as cluster:
        first, second = cluster.machines
        adopted, own, far = chained(first, "a", 77), first.pod("b"), second.pod("c")
        for version in (4, 6):
            for other in (own, far):
                assert tcp_peer_seen(adopted, other, other.address(version)) == ADDRESS[version]
                assert udp_peer_seen(other, adopted, ADDRESS[version]) == other.address(version)
            assert (
                tcp_peer_seen(first.host, adopted, ADDRESS[version]) == ("172.18.0.2", "fd00:172:18::2")[version == 6]
            )
        with opened(own, own.address(4), socket.SOCK_DGRAM, bound=9000) as receiver:
            before = first.dropped()
            packet = udp_packet(far.address(4), own.address(4), 9000, b"forged")
            with opened(adopted, own.address(4), socket.SOCK_DGRAM) as honest:
                send_packet(adopted, packet)
                eventually(lambda: first.dropped() > before, SECONDS)
                data, _ = arrived(receiver, lambda: honest.sendto(b"honest", (own.address(4), 9000)))
                assert data == b"honest"


@sandboxed
def test_check_restart_and_del_of_an_adopted_link() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod, other = chained(node, "a", 77), node.pod("b")
        check = {"prevResult": pod.result, "cniVersion": "1.0.0"}
        assert node.cni("CHECK", pod, check) == (0, None)
        node.kill()
        node.start(*cluster.objects)
        eventually((node.folder / "settled").exists)
        assert node.cni("CHECK", pod, check) == (0, None)
        assert udp_peer_seen(other, pod, ADDRESS[4]) == other.address(4)
        node.host.run("ip", "route", "del", ADDRESS[4], "dev", "veth77")
        status, answer = node.cni("CHECK", pod, check)
        assert (status, answer["code"]) == (1, 100)
        assert f"the route to {ADDRESS[4]}/32" in answer["details"]
        assert node.cni("DEL", pod, check) == (0, None)
        assert node.cni("DEL", pod, check) == (0, None)
        assert node.reported[-1].startswith("release shop/a")
        assert node.host.run("ip", "link", "show", "veth77").returncode == 0, "it is the earlier plugin's to remove"
        assert node.cni("CHECK", pod, check)[0] == 1
        with (
            opened(other, other.address(4), socket.SOCK_DGRAM, bound=9000),
            opened(pod, other.address(4), socket.SOCK_DGRAM) as closed,
        ):
            before = node.dropped()
            closed.sendto(b"too late", (other.address(4), 9000))
            eventually(lambda: node.dropped() > before, SECONDS)
        assert node.cni("GC", None, {"cni.dev/valid-attachments": [{"containerID": "b", "ifname": "eth0"}]})[0] == 0
        assert len(node.links()) == 1


@sandboxed
def test_an_adopted_links_mtu_is_the_earlier_plugins() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod, other = chained(node, "a", 77), node.pod("b")
        node.host.run("ip", "link", "set", "eth0", "mtu", "1400")
        eventually(lambda: "mtu 1400" in other.run("ip", "link", "show", "eth0").stdout)
        assert "mtu 1500" in pod.run("ip", "link", "show", "eth0").stdout
        assert node.cni("CHECK", pod, {"prevResult": pod.result, "cniVersion": "1.0.0"}) == (0, None)


@sandboxed
def test_a_node_whose_routes_are_another_programs_needs_no_pod_cidr() -> None:
    with SmallCluster(1, Cluster(RANGES, Mode.NONE)) as cluster:
        (node,) = cluster.machines
        node.kill()
        bare = cluster.objects[0]
        node.start(type(bare)(metadata=bare.metadata, status=bare.status))
        assert node.cni("STATUS") == (0, None)
        pod = chained(node, "a", 77)
        assert tcp_peer_seen(node.host, pod, ADDRESS[4]) == "172.18.0.2"
        status, answer = node.cni("ADD", Pod("b"))
        assert (status, answer["code"]) == (1, 11)
        assert "unreachable" not in node.host.run("ip", "route").stdout


def bridged(node: Machine, pod: Pod) -> dict[str, Any]:
    result = point_to_point(node, pod, "veth77", *ADDRESS.values())
    node.host.run("ip", "link", "add", "cni0", "type", "bridge")
    node.host.run("ip", "link", "set", "veth77", "master", "cni0")
    return result


def outside_the_ranges(node: Machine, pod: Pod) -> dict[str, Any]:
    return point_to_point(node, pod, "veth77", "192.0.2.7", ADDRESS[6])


def without_interface(node: Machine, pod: Pod) -> dict[str, Any]:
    return {**point_to_point(node, pod, "veth77", *ADDRESS.values()), "interfaces": []}


def no_veth(_: Machine, pod: Pod) -> dict[str, Any]:
    pod.run("ip", "link", "add", "eth0", "type", "bridge")
    interfaces = [{"name": "eth0", "sandbox": str(pod.path)}]
    return {"cniVersion": "1.0.0", "interfaces": interfaces, "ips": [{"interface": 0, "address": f"{ADDRESS[4]}/24"}]}


UNSUITABLE = (
    (bridged, "is a port of cni0"),
    (outside_the_ranges, "192.0.2.7 is outside of the agent's --pod-cidrs 10.244.0.0/16"),
    (without_interface, "prevResult names no interface eth0 of the pod"),
    (no_veth, "eth0 is no veth pair with an end on the node (bridge)"),
)


@sandboxed
def test_links_that_the_rules_would_not_see_are_refused_with_the_remedy() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        for make, message in UNSUITABLE:
            pod = Pod(make.__name__)
            status, answer = node.cni("ADD", pod, {"prevResult": make(node, pod), "cniVersion": "1.0.0"})
            assert (status, answer["code"]) == (1, 7)
            assert message in answer["msg"]
            node.host.run("ip", "link", "del", "veth77", check=False)
        assert node.links() == []


@sandboxed
def test_an_address_that_another_pod_has_is_refused() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        owner, second = node.pod("owner"), Pod("b")
        previous = point_to_point(node, second, "veth77", owner.address(4), ADDRESS[6])
        status, answer = node.cni("ADD", second, {"prevResult": previous, "cniVersion": "1.0.0"})
        assert (status, answer["code"]) == (1, 11)
        assert "is still the address of container owner" in answer["msg"]
        assert udp_peer_seen(node.host, owner, owner.address(4)) == "172.18.0.2"


@sandboxed
def test_a_link_that_cannot_be_renamed_while_it_is_up_keeps_its_routes_and_addresses() -> None:
    host = Host("node")
    for command in (
        "ip link add veth1 type veth peer name far",
        "ip link set far up",
        "ip link set veth1 up",
        "ip address add 10.244.1.1/32 dev veth1",
        "ip address add fd00:10:244:1::1/128 dev veth1 nodad",
        "ip route add 10.244.1.7 dev veth1",
        "ip -6 route add fd00:10:244:1::7 dev veth1",
    ):
        host.run(*command.split())
    enter_network(host.path)
    with Netlink() as netlink:
        link = links.find(netlink, "veth1")
        assert link is not None
        adopted_links.rename_down(netlink, link, "pw0")
        assert links.find(netlink, "veth1") is None
    shown = host.run("sh", "-c", "ip route; ip -6 route; ip address show dev pw0").stdout
    for kept in ("10.244.1.7 dev pw0", "fd00:10:244:1::7 dev pw0", "inet 10.244.1.1/32", "inet6 fd00:10:244:1::1/128"):
        assert kept in shown
