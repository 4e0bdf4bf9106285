"""The way to a gateway node, by the way between nodes."""

from __future__ import annotations

import ipaddress

import pytest

from podwire.agent.egress_gateways import hops
from podwire.kube.core import Node, NodeAddress, NodeSpec, NodeStatus
from podwire.kube.meta import ObjectMeta
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster
from podwire.pods.uplink import Uplink

RANGES = (ipaddress.ip_network("10.244.0.0/16"),)
HERE = Uplink(1500, (ipaddress.ip_address("172.18.0.2"),), (ipaddress.ip_network("172.18.0.0/24"),))


def node(address: str) -> Node:
    status = NodeStatus(addresses=(NodeAddress(type="InternalIP", address=address),))
    return Node(metadata=ObjectMeta(name="far"), spec=NodeSpec(pod_cidrs=("10.244.2.0/24",)), status=status)


@pytest.mark.parametrize(
    ("mode", "near", "far"),
    [
        (Mode.DIRECT, ("172.18.0.3", ""), ("172.18.9.3", "")),
        (Mode.ROUTED, ("172.18.0.3", ""), ("172.18.9.3", "")),
        (Mode.NONE, ("172.18.0.3", ""), ("172.18.9.3", "")),
        (Mode.VXLAN, ("10.244.2.1", "podwire.vxlan"), ("10.244.2.1", "podwire.vxlan")),
        (Mode.CROSS_SUBNET, ("172.18.0.3", ""), ("10.244.2.1", "podwire.vxlan")),
    ],
)
def test_the_way_to_a_gateway_node(mode: Mode, near: tuple[str, str], far: tuple[str, str]) -> None:
    hop = hops(Cluster(RANGES, mode), lambda: HERE)
    for address, expected in (("172.18.0.3", near), ("172.18.9.3", far)):
        found = hop(node(address), 4)
        assert found is not None
        assert (str(found[0]), found[1]) == expected
        assert hop(node(address), 6) is None
