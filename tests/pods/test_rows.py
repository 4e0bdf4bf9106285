"""Nodes in, rows out: in any order, over any restart, the same rows."""

import asyncio
import ipaddress
import itertools

import msgspec
import pytest

from podwire.engine.reconcile import Reconciler
from podwire.engine.sink import FakeSink
from podwire.kernel.element_row import ElementRow
from podwire.kube.core import Node, NodeAddress, NodeSpec, NodeStatus
from podwire.kube.meta import ObjectMeta
from podwire.pods.attachment import NO_POD, Attachment, AttachmentKey
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, NodeNetwork, Overlay, pod_mtu, read_node
from podwire.pods.rows import (
    ForwardingRow,
    NeighbourRow,
    NodeRouteRow,
    RouteRow,
    TunnelAddressRow,
    TunnelRow,
    cluster_rows,
    no_router,
    node_rows,
    own_routes,
    peer_routes,
    source_rows,
)
from podwire.pods.uplink import Hop, Uplink
from podwire.pods.view import NetworkView
from tests.pods.cluster import DIRECT, RANGES, VXLAN, node_object

CROSS_SUBNET, ROUTED, NONE = (Cluster(RANGES, mode) for mode in (Mode.CROSS_SUBNET, Mode.ROUTED, Mode.NONE))
UPLINK = Uplink(1500, subnets=(ipaddress.ip_network("172.18.0.0/16"), ipaddress.ip_network("fd00:172:18::/64")))
IP, NET = ipaddress.ip_address, ipaddress.ip_network


def network(number: int) -> NodeNetwork:
    node, faults = read_node(node_object(number), DIRECT)
    assert not faults
    return node


def test_direct_ways_lead_by_the_address_of_the_same_family() -> None:
    assert set(peer_routes(network(2), network(1), DIRECT, UPLINK)) == {
        RouteRow(NET("10.244.2.0/24"), IP("172.18.0.3")),
        RouteRow(NET("fd00:10:244:2::/64"), IP("fd00:172:18::3")),
    }
    assert set(own_routes(network(1), DIRECT, 1500)) == {
        RouteRow(NET(text)) for text in ("10.244.0.0/16", "fd00:10:244::/56", "10.244.1.0/24", "fd00:10:244:1::/64")
    }


def test_tunnelled_ways_need_a_neighbour_and_a_forwarding_entry() -> None:
    one, two = network(1), network(2)
    mac = two.tunnel_mac
    assert set(peer_routes(two, one, VXLAN, UPLINK)) == {
        ForwardingRow(mac, IP("172.18.0.3")),
        NeighbourRow(IP("10.244.2.1"), mac),
        NeighbourRow(IP("fd00:10:244:2::1"), mac),
        RouteRow(NET("10.244.2.0/24"), IP("10.244.2.1"), tunnel=True, source=IP("10.244.1.1")),
        RouteRow(NET("fd00:10:244:2::/64"), IP("fd00:10:244:2::1"), tunnel=True, source=IP("fd00:10:244:1::1")),
    }
    own = set(own_routes(one, VXLAN, 1450))
    assert TunnelRow(1, 8472, IP("172.18.0.2"), one.tunnel_mac, 1450) in own
    assert {TunnelAddressRow(IP("10.244.1.1")), TunnelAddressRow(IP("fd00:10:244:1::1"))} <= own
    assert one.tunnel_mac != mac


def test_the_mtu_depends_on_the_family_that_carries_the_tunnel() -> None:
    dual, six = network(1), NodeNetwork("six", addresses=(IP("fd00::9"),))
    assert [pod_mtu(1500, dual, overlay) for overlay in (None, Overlay())] == [1500, 1450]
    assert pod_mtu(1500, six, Overlay()) == 1430


def test_members_of_the_rules() -> None:
    attachment = Attachment(AttachmentKey("c", "eth0"), NO_POD, "/n", (IP("10.244.1.2"), IP("fd00:10:244:1::2")))
    name = attachment.host_interface
    assert [row.element.text for row in source_rows(attachment)] == [
        f"{name} . 10.244.1.2",
        f"{name} . fd00:10:244:1::2",
    ]
    assert {row.collection for row in cluster_rows(DIRECT)} == {"ranges4", "ranges6"}
    assert ElementRow("ports", (8472,)) in set(cluster_rows(VXLAN))
    assert {row.collection for row in node_rows(network(2), "node-1", DIRECT)} == {"nodes4", "nodes6"}
    assert ElementRow("peers4", (IP("172.18.0.3"),)) in set(node_rows(network(2), "node-1", VXLAN))
    assert ElementRow("peers4", (IP("172.18.0.2"),)) not in set(node_rows(network(1), "node-1", VXLAN))


@pytest.mark.parametrize(
    ("ranges", "addresses", "fault"),
    [
        (["10.245.0.0/24"], ["172.18.0.2"], "outside the cluster's pod ranges"),
        (["10.0.0.0/8"], ["172.18.0.2"], "outside the cluster's pod ranges"),
        (["10.244.1.0/24", "10.244.2.0/24"], ["172.18.0.2"], "is a second one of IPv4"),
        (["010.244.1.0/24"], ["172.18.0.2"], "is no range"),
        (["fd00:10:244:1::%x/64"], ["172.18.0.2"], "it has a zone"),
        (["10.244.1.0/24"], ["127.0.0.1"], "is no address of a node"),
        (["10.244.1.0/24"], ["169.254.169.254"], "is no address of a node"),
        (["10.244.1.0/24"], ["::ffff:10.0.0.1"], "is no address of a node"),
        (["10.244.1.0/24"], ["172.18.0.02"], "is no address of a node"),
        (["10.244.1.0/24"], ["224.0.0.1"], "is no address of a node"),
    ],
)
def test_impossible_nodes_are_named_and_left_out(ranges: list[str], addresses: list[str], fault: str) -> None:
    node = Node(
        metadata=ObjectMeta(name="bad"),
        spec=NodeSpec(pod_cidrs=tuple(ranges)),
        status=NodeStatus(addresses=tuple(NodeAddress("InternalIP", address) for address in addresses)),
    )
    read, (reported,) = read_node(node, DIRECT)
    assert reported.startswith("node bad: ")
    assert fault in reported
    assert len(read.ranges) + len(read.addresses) == len(ranges) + len(addresses) - 1


@pytest.mark.parametrize(("identifier", "port"), [(0, 8472), (1 << 24, 8472), (1, 0), (1, 40000)])
def test_an_overlay_that_cannot_work_is_refused(identifier: int, port: int) -> None:
    with pytest.raises(ValueError, match="VXLAN"):
        Overlay(identifier, port)


@pytest.mark.parametrize("cluster", [DIRECT, VXLAN, CROSS_SUBNET, ROUTED], ids=lambda cluster: cluster.mode.value)
async def test_the_order_of_nodes_does_not_matter(cluster: Cluster) -> None:
    steps = [("node-1", 1), ("node-2", 2), ("node-3", 3), ("node-2", None)]
    outcomes = [
        await rows_after([*order, steps[3]], cluster, restart)
        for order in itertools.permutations(steps[:3])
        for restart in range(4)
    ]
    outcomes.append(await rows_after([steps[0], steps[2]], cluster, 0))
    assert all(outcome == outcomes[0] for outcome in outcomes)
    assert any(isinstance(row, RouteRow) and row.destination == NET("10.244.3.0/24") for row in outcomes[0])
    assert not any(isinstance(row, RouteRow) and row.destination == NET("10.244.2.0/24") for row in outcomes[0])


async def rows_after(steps: list[tuple[str, int | None]], cluster: Cluster, restart: int) -> frozenset[NodeRouteRow]:
    """Return the rows after these Nodes came and went, with a new reconciler after `restart` of the steps."""
    sink: FakeSink[NodeRouteRow] = FakeSink()
    nodes: dict[str, NodeNetwork] = {}

    def derive(name: str) -> list[NodeRouteRow]:
        own, node = nodes.get("node-1"), nodes.get(name)
        if own is None or node is None:
            return []
        return list(own_routes(own, cluster, 1450) if node is own else peer_routes(node, own, cluster, UPLINK))

    reconciler = Reconciler("ways", derive, sink)
    for number, (name, value) in enumerate(steps):
        if number == restart:
            reconciler = Reconciler("ways", derive, sink)
            reconciler.touch(*nodes)
        if value is None:
            nodes.pop(name)
        else:
            nodes[name] = network(value)
        reconciler.touch(*nodes, name)
        await reconciler.turn()
    reconciler.inputs_synced()
    await reconciler.turn()
    await asyncio.sleep(0)
    return frozenset(sink.held.values())


FAR = NodeNetwork("far", (NET("10.244.9.0/24"), NET("fd00:10:244:9::/64")), (IP("172.19.0.9"), IP("fd00:172:18::9")))
"""A node in another subnet for IPv4, and in the same one for IPv6."""


def test_each_ip_version_goes_its_own_way() -> None:
    rows = set(peer_routes(FAR, network(1), CROSS_SUBNET, UPLINK))
    mac = FAR.tunnel_mac
    assert rows == {
        ForwardingRow(mac, IP("172.19.0.9")),
        NeighbourRow(IP("10.244.9.1"), mac),
        RouteRow(NET("10.244.9.0/24"), IP("10.244.9.1"), tunnel=True, source=IP("10.244.1.1")),
        RouteRow(NET("fd00:10:244:9::/64"), IP("fd00:172:18::9")),
    }
    members = set(node_rows(FAR, "node-1", CROSS_SUBNET, UPLINK))
    assert ElementRow("neighbours6", (NET("fd00:10:244:9::/64"),)) in members
    assert not any(row.collection == "neighbours4" for row in members)


def test_routers_lead_to_other_subnets_and_where_there_is_none_nothing_does() -> None:
    hop = Hop(IP("172.18.255.1"), 7)
    rows = set(peer_routes(FAR, network(1), ROUTED, UPLINK, {IP("172.19.0.9"): hop}.get))
    assert rows == {
        RouteRow(NET("10.244.9.0/24"), IP("172.18.255.1"), link=7),
        RouteRow(NET("fd00:10:244:9::/64"), IP("fd00:172:18::9")),
    }
    nowhere = set(peer_routes(FAR, network(1), ROUTED, UPLINK))
    assert nowhere == {RouteRow(NET("fd00:10:244:9::/64"), IP("fd00:172:18::9"))}


def test_where_another_program_makes_the_routes_there_are_none() -> None:
    assert set(peer_routes(network(2), network(1), NONE, UPLINK)) == set()
    assert set(own_routes(network(1), NONE, 1500)) == {
        RouteRow(NET("10.244.1.0/24")),
        RouteRow(NET("fd00:10:244:1::/64")),
    }


@pytest.mark.parametrize(
    ("mode", "accepts", "strict"),
    [
        (Mode.VXLAN, None, True),
        (Mode.CROSS_SUBNET, Mode.VXLAN, True),
        (Mode.VXLAN, Mode.DIRECT, False),
        (Mode.ROUTED, Mode.CROSS_SUBNET, False),
        (Mode.DIRECT, None, False),
    ],
)
def test_what_must_come_through_the_tunnel(mode: Mode, accepts: Mode | None, strict: bool) -> None:
    cluster = Cluster(RANGES, mode, accepts)
    assert any(row.collection == "tunnelled4" for row in cluster_rows(cluster)) == strict
    assert (cluster.overlay is not None) == (mode is not Mode.DIRECT)


async def test_of_two_nodes_that_claim_a_range_the_older_one_has_it() -> None:
    view = NetworkView("node-1", DIRECT, no_router)
    view.uplink = UPLINK
    older = msgspec.structs.replace(network(2), name="zz", created="2026-01-01T00:00:00Z")
    newer = msgspec.structs.replace(
        network(2), name="aa", created="2026-02-02T00:00:00Z", addresses=(IP("172.18.0.99"),)
    )
    for order in ((older, newer), (newer, older)):
        sink: FakeSink[NodeRouteRow] = FakeSink()
        view.nodes = {"node-1": network(1)}
        reconciler = Reconciler("ways", view.routes, sink, rank=view.rank)
        for node in order:
            view.nodes[node.name] = node
            reconciler.touch(*view.nodes)
            await reconciler.turn()
        assert RouteRow(NET("10.244.2.0/24"), IP("172.18.0.3")) in sink.held.values()
        del view.nodes["zz"]
        reconciler.touch("zz")
        await reconciler.turn()
        assert RouteRow(NET("10.244.2.0/24"), IP("172.18.0.99")) in sink.held.values()
