"""Pods of some namespaces have addresses of a pool of their own, and reach all others by any way between nodes."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools

import msgspec
import pytest

from podwire.kube.core import Namespace, Node
from podwire.kube.meta import ObjectMeta
from podwire.kube.pod_pools import ANNOTATION, LABEL, annotation, namespace_pool
from podwire.kube.watch import Change
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, NodePool, read_node
from podwire.pods.namespace_pools import NamespacePools, UnknownPoolError
from tests.pods.cluster import RANGES, Machine, Pod, SmallCluster, eventually, node_object, start_all
from tests.pods.packets import tcp_peer_seen, udp_peer_seen
from tests.pods.subnets import SUBNETS, TwoSubnets, addresses
from tests.sandbox import sandboxed

RED = namespace_pool("red=10.60.0.0/24:29,fd00:60::/60")
NAMESPACES = {"shop": "", "paint": "red", "typo": "rde"}
DIRECT, VXLAN, ROUTED, CROSS_SUBNET = (
    Cluster((*RANGES, *(one.network for one in RED.pool.ranges)), mode, pools=(RED,))
    for mode in (Mode.DIRECT, Mode.VXLAN, Mode.ROUTED, Mode.CROSS_SUBNET)
)


def with_range(node: Node, number: int) -> Node:
    """The Node with its range of the pool."""
    found = {
        "red": (ipaddress.ip_network(f"10.60.0.{8 * number}/29"), ipaddress.ip_network(f"fd00:60:0:{number}::/64"))
    }
    metadata = msgspec.structs.replace(node.metadata, annotations={ANNOTATION: annotation(found)})
    return msgspec.structs.replace(node, metadata=metadata)


def give_ranges(cluster: SmallCluster | TwoSubnets) -> None:
    """Start the agents again, with a range of the pool on each node and the namespaces known."""
    cluster.objects = [with_range(node, number) for number, node in enumerate(cluster.objects, start=1)]
    for machine in cluster.machines:
        machine.kill()
        machine.namespaces = NAMESPACES
    start_all(cluster.machines, cluster.objects)


def each_reaches_each(*pods: Pod) -> None:
    """By TCP and UDP, in both families, under their own addresses."""
    for client, server in itertools.permutations(pods, 2):
        for version in (4, 6):
            assert tcp_peer_seen(client, server, server.address(version)) == client.address(version)
            assert udp_peer_seen(client, server, server.address(version)) == client.address(version)


@sandboxed
def test_pods_of_the_namespace_have_addresses_of_its_pool_until_the_nodes_range_is_full() -> None:
    with SmallCluster(2, DIRECT) as cluster:
        first, second = cluster.machines
        first.kill()
        first.namespaces = NAMESPACES
        first.start(*cluster.objects)
        assert "no range of pod pool red, which namespace paint has" in first.refusal("early", "paint")
        give_ranges(cluster)
        red, plain = first.pod("a", "paint"), first.pod("b", "shop")
        assert (red.address(4), red.address(6)) == ("10.60.0.10", "fd00:60:0:1::2")
        assert plain.address(4) == "10.244.1.2"
        far = second.pod("c", "paint")
        assert far.address(4) == "10.60.0.18"
        each_reaches_each(red, plain, far)
        assert tcp_peer_seen(second.host, red, red.address(4)) == "172.18.0.3"
        _full(first, red)
        assert "label podwire.dev/pod-pool=rde" in first.refusal("d", "typo")


def _full(node: Machine, red: Pod) -> None:
    """A restart of the agent gives no address twice, a full range is an error, and freed addresses are used again."""
    node.kill()
    node.start(*(with_range(node_object(number), number) for number in (1, 2)))
    eventually((node.folder / "settled").exists)
    more = [node.pod(f"more{number}", "paint") for number in range(4)]
    assert len({pod.address(4) for pod in (red, *more)}) == 5
    assert "all 5 addresses of this node's range of pod pool red" in node.refusal("last", "paint")
    assert node.pod("other", "shop").address(4).startswith("10.244.1.")
    assert node.cni("DEL", more[0])[0] == 0
    assert node.pod("again", "paint").address(4) == more[0].address(4)


@sandboxed
def test_ranges_of_pools_are_reached_through_the_tunnel_and_beside_it() -> None:
    with TwoSubnets(CROSS_SUBNET, strict=True) as cluster:
        give_ranges(cluster)
        a, b, c = (machine.pod(name, "paint") for machine, name in zip(cluster.machines, "abc", strict=True))
        each_reaches_each(a, b, c)
        each_reaches_each(cluster.machines[0].pod("plain"), c)


@pytest.mark.long
@sandboxed
def test_ranges_of_pools_are_reached_in_vxlan_alone() -> None:
    with SmallCluster(2, VXLAN) as cluster:
        give_ranges(cluster)
        first, second = cluster.machines
        each_reaches_each(first.pod("a", "paint"), second.pod("b", "paint"), second.pod("c"))


@pytest.mark.long
@sandboxed
def test_routers_that_know_the_ranges_of_pools_lead_to_them() -> None:
    with TwoSubnets(ROUTED) as cluster:
        cluster.teach_router()
        for number in SUBNETS:
            ipv4, ipv6 = addresses(number)
            cluster.router.run("ip", "route", "add", f"10.60.0.{8 * number}/29", "via", ipv4)
            cluster.router.run("ip", "-6", "route", "add", f"fd00:60:0:{number}::/64", "via", ipv6)
        give_ranges(cluster)
        each_reaches_each(*(machine.pod(name, "paint") for machine, name in zip(cluster.machines, "abc", strict=True)))


def annotated(text: str) -> Node:
    node = node_object(1)
    metadata = msgspec.structs.replace(node.metadata, annotations={ANNOTATION: text})
    return msgspec.structs.replace(node, metadata=metadata)


def test_a_node_has_whole_ranges_of_pools_that_the_agent_knows() -> None:
    network, faults = read_node(with_range(node_object(1), 1), DIRECT)
    ranges = (ipaddress.ip_network("10.60.0.8/29"), ipaddress.ip_network("fd00:60:0:1::/64"))
    assert (network.pools, faults) == ((NodePool("red", ranges),), ())
    assert network.all_ranges == (*network.ranges, *ranges)
    assert not read_node(with_range(node_object(1), 1), Cluster(RANGES))[0].pools


@pytest.mark.parametrize(
    "given",
    ['["10.60.0.8/30"]', '["10.244.2.0/29"]', '["10.60.0.0/24"]', '["fe80::%eth0/64"]', '["a"]'],
    ids=["part of a range", "range of other pods", "all of the pool", "zone", "no range"],
)
def test_ranges_that_would_take_addresses_of_other_nodes_are_left_out(given: str) -> None:
    network, faults = read_node(annotated(f'{{"red": {given}}}'), DIRECT)
    assert not network.pools
    assert "is no range of pod pool red" in faults[0]


@pytest.mark.parametrize("text", ["", "no JSON", '{"red": 7}', '{"blue": ["10.60.0.8/29"]}'])
def test_an_annotation_that_cannot_be_read_or_is_of_another_pool_gives_nothing(text: str) -> None:
    assert not read_node(annotated(text), DIRECT)[0].pools


async def test_a_pod_waits_until_its_namespace_is_known() -> None:
    pools = NamespacePools(("red",))
    found = asyncio.create_task(pools.of("paint"))
    await asyncio.sleep(0)
    pools.namespace_changed(Change(None, Namespace(metadata=ObjectMeta(name="shop"))))
    await asyncio.sleep(0)
    assert not found.done()
    pools.namespace_changed(Change(None, Namespace(metadata=ObjectMeta(name="paint", labels={LABEL: "red"}))))
    assert await found == "red"
    assert await pools.of("shop") == ""
    assert await pools.of("") == ""
    assert await NamespacePools(()).of("unknown") == ""


async def test_a_pool_that_no_flag_names_is_an_error() -> None:
    pools = NamespacePools(("red",))
    pools.namespace_changed(Change(None, Namespace(metadata=ObjectMeta(name="paint", labels={LABEL: "rde"}))))
    with pytest.raises(UnknownPoolError, match=r"podwire\.dev/pod-pool=rde.*red.*--namespace-pool"):
        await pools.of("paint")
