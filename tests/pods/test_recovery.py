"""The agent may die at any moment: pods keep their traffic, and nothing leaks."""

import asyncio
import socket
import sqlite3
from pathlib import Path

from msgspec.structs import replace

from podwire.kernel.namespaces import enter_network, remove_network_namespace
from podwire.kernel.sysctl_record import SysctlRecord
from podwire.pods.model import Cluster
from podwire.pods.network import PodNetwork, Settings
from podwire.pods.rows import TUNNEL
from tests.pods.cluster import DIRECT, RANGES, VXLAN, FileGate, Machine, SmallCluster, eventually, finish
from tests.pods.packets import opened, tcp_peer_seen, udp_peer_seen
from tests.sandbox import Host, sandboxed


def stored(node: Machine) -> list[str]:
    """The containers in the store."""
    database = sqlite3.connect(node.settings.store)
    try:
        return [row[0] for row in database.execute("SELECT container FROM attachments ORDER BY container")]
    finally:
        database.close()


def restarted(cluster: SmallCluster, node: Machine) -> None:
    """kill -9 and start again."""
    node.kill()
    node.start(*cluster.objects)
    eventually((node.folder / "settled").exists)


@sandboxed
def test_established_and_new_connections_outlive_the_agent() -> None:
    with SmallCluster(2, VXLAN) as cluster:
        first, second = cluster.machines
        a, b = first.pod("a"), second.pod("b")
        address = b.address(6)
        with (
            opened(b, address, socket.SOCK_STREAM, bound=8080) as listener,
            opened(a, address, socket.SOCK_STREAM) as client,
        ):
            listener.listen()
            client.connect((address, 8080))
            server, _ = listener.accept()
            with server:
                for moment in (first.kill, lambda: first.start(*cluster.objects)):
                    moment()
                    client.sendall(b"still here")
                    server.settimeout(30)
                    assert server.recv(100) == b"still here"
                    assert udp_peer_seen(b, a, a.address(4)) == b.address(4)


@sandboxed
def test_after_a_restart_everything_is_known_and_freed_addresses_wait() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        a, b = node.pod("a"), node.pod("b")
        assert node.cni("DEL", a)[0] == 0
        before = rules(node)
        restarted(cluster, node)
        assert rules(node) == before
        assert node.cni("CHECK", b, {"prevResult": b.result}) == (0, None)
        c = node.pod("c")
        assert c.address(4) == "10.244.1.4"
        assert udp_peer_seen(c, b, b.address(4)) == c.address(4)


def rules(node: Machine) -> str:
    """Rules and routes."""
    return node.host.run("sh", "-c", "nft -s list ruleset; ip route; ip -6 route").stdout


@sandboxed
def test_pods_keep_their_network_when_the_nodes_change_to_direct_routes_and_back() -> None:
    with SmallCluster(2, VXLAN) as cluster:
        first, second = cluster.machines
        a, b = first.pod("a"), second.pod("b")
        for mode in (DIRECT, VXLAN):
            for machine in cluster.machines:
                machine.settings = replace(machine.settings, cluster=mode)
                restarted(cluster, machine)
                assert (TUNNEL in machine.host.run("ip", "link").stdout) == (mode is VXLAN)
                assert ("@peers4" in rules(machine)) == (mode is VXLAN)
            for version in (4, 6):
                assert udp_peer_seen(a, b, b.address(version)) == a.address(version)
                assert udp_peer_seen(b, a, a.address(version)) == b.address(version)


@sandboxed
async def test_no_tunnel_outlives_the_rules_that_guard_it() -> None:
    """The Nodes are never known here: no row is removed."""
    node = Host("node-1")
    enter_network(node.path)
    node.run("ip", "link", "add", TUNNEL, "type", "vxlan", "id", "1", "dstport", "8472")
    folder = Path("/run")
    settings = Settings(
        "node-1", Cluster(RANGES), folder / "cni.sock", folder / "cni.db", SysctlRecord(folder / "sysctls.json")
    )
    running = asyncio.create_task(PodNetwork(settings, FileGate(folder)).run())
    await asyncio.to_thread(eventually, settings.socket.exists)
    assert TUNNEL not in node.run("ip", "link").stdout
    running.cancel()


@sandboxed
def test_an_add_cut_off_by_kill_is_refused_undone_and_can_be_repeated() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        (node.folder / "hold").touch()
        pod = Host("a")
        adding = node.call("ADD", pod)
        eventually(lambda: bool(node.reported) and bool(node.links()))
        node.kill_without_mark()
        status, answer = finish(adding)
        assert (status, answer["code"]) == (1, 11)
        assert stored(node) == ["a"]
        (node.folder / "hold").unlink()
        node.start(*cluster.objects)
        assert stored(node) == []
        assert node.links() == []
        status, answer = node.cni("ADD", pod)
        assert status == 0, answer
        assert node.cni("CHECK", pod, {"prevResult": answer}) == (0, None)


@sandboxed
def test_leftovers_hold_up_no_pod_without_the_api() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        (node.folder / "hold").touch()
        adding = [node.call("ADD", Host(name)) for name in ("a", "b", "c")]
        eventually(lambda: len(node.reported) == 3, 60)
        node.kill_without_mark()
        assert [finish(one)[0] for one in adding] == [1, 1, 1]
        (node.folder / "hold").unlink()
        (node.folder / "keep").touch()
        node.start(*cluster.objects)
        assert stored(node) == ["a", "b", "c"]
        assert node.cni("STATUS") == (0, None)
        (node.folder / "keep").unlink()
        assert node.cni("GC", None, {"cni.dev/valid-attachments": []}) == (0, None)
        assert (stored(node), node.links()) == ([], [])


@sandboxed
def test_an_add_whose_answer_was_lost_is_answered_again() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod = node.pod("a")
        restarted(cluster, node)
        assert node.cni("ADD", pod) == (0, pod.result)
        pod.run("ip", "route", "del", "default")
        assert node.cni("ADD", pod) == (0, pod.result)
        assert tcp_peer_seen(pod, node.host, "172.18.0.2") == pod.address(4)


@sandboxed
def test_a_namespace_that_died_with_the_agent_gives_its_addresses_back() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pod, other = node.pod("a"), node.pod("b")
        node.kill()
        remove_network_namespace(pod.path)
        eventually(lambda: len(node.links()) == 1)
        node.start(*cluster.objects)
        eventually(lambda: stored(node) == ["b"])
        assert node.reported[-1] == "release shop/a 10.244.1.2"
        assert node.cni("CHECK", other, {"prevResult": other.result}) == (0, None)


@sandboxed
def test_gc_keeps_what_is_valid_and_removes_all_else() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        kept, gone = node.pod("kept"), node.pod("gone")
        node.host.run("ip", "link", "add", "pw0123456789ab", "type", "veth", "peer", "name", "orphan")
        node.host.run("ip", "link", "set", "pw0123456789ab", "alias", "podwire shop/lost")
        node.host.run("ip", "link", "add", "pwforeign", "type", "bridge")
        valid = [{"containerID": "kept", "ifname": "eth0"}, {"containerID": "gone", "ifname": "eth1"}]
        assert node.cni("GC", None, {"cni.dev/valid-attachments": valid}) == (0, None)
        assert stored(node) == ["kept"]
        assert sorted(node.links()) == sorted([kept.result["interfaces"][0]["name"], "pwforeign"])
        assert gone.address(4) not in node.host.run("nft", "list", "ruleset").stdout
        assert node.cni("CHECK", kept, {"prevResult": kept.result}) == (0, None)
        assert node.cni("GC", None, {"cni.dev/valid-attachments": []}) == (0, None)
        assert (stored(node), node.links()) == ([], ["pwforeign"])


@sandboxed
def test_gc_waits_only_for_the_container_that_is_at_work() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        node.pod("a")
        other = node.pod("other")
        valid = [{"containerID": "other", "ifname": "eth0"}]
        (node.folder / "hold").touch()
        slow = node.call("ADD", Host("slow"))
        eventually(lambda: stored(node) == ["a", "other", "slow"])
        collecting = node.call("GC", None, {"cni.dev/valid-attachments": valid})
        eventually(lambda: stored(node) == ["other", "slow"])
        assert node.cni("DEL", other) == (0, None)
        assert collecting.poll() is None, "it waits for the ADD"
        (node.folder / "hold").unlink()
        assert finish(slow)[0] == 0
        assert finish(collecting)[0] == 0
        assert stored(node) == ["slow"], "an ADD that ran meanwhile is no leftover"


@sandboxed
def test_many_pods_come_and_go_at_once() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        pods = [Host(f"pod-{number}") for number in range(10)]
        results = [finish(process) for process in [node.call("ADD", pod) for pod in pods]]
        assert [status for status, _ in results] == [0] * len(pods), results
        assert len({address["address"] for _, result in results for address in result["ips"]}) == 2 * len(pods)
        leaving = [node.call("DEL", pod) for pod in pods[:5]] + [node.call("ADD", pod) for pod in pods[5:]]
        assert [finish(process)[0] for process in leaving] == [0] * len(pods)
        assert stored(node) == [f"pod-{number}" for number in range(5, 10)]
        assert len(node.links()) == 5


@sandboxed
def test_the_socket_is_for_its_owner_alone() -> None:
    with SmallCluster() as cluster:
        (node,) = cluster.machines
        assert node.settings.socket.stat().st_mode & 0o777 == 0o600
        assert node.settings.store.stat().st_mode & 0o777 == 0o600
