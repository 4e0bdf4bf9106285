"""Whether a block of a policy holds pods that have no address yet."""

from __future__ import annotations

import ipaddress

import pytest

from podwire.insight.snapshot.pod_ranges import PodRanges, of_nodes
from podwire.kube.core import Node, NodeSpec
from podwire.policy.model import Block


def block(network: str, *excepts: str) -> Block:
    return Block(ipaddress.ip_network(network), tuple(map(ipaddress.ip_network, excepts)))


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        (block("0.0.0.0/0"), True),
        (block("10.0.0.0/8"), True),
        (block("10.0.0.0/8", "10.96.0.0/12"), True),
        (block("0.0.0.0/0", "10.0.0.0/8"), False),
        (block("192.168.0.0/16"), False),
        (block("10.244.1.0/24"), None),
        (block("0.0.0.0/0", "10.244.1.0/24"), None),
        (block("::/0"), True),
        (block("2001:db8::/32"), False),
    ],
)
def test_a_block_holds_all_pods_none_or_some(found: Block, holds: bool | None) -> None:
    assert PodRanges().holds(found) is holds


def test_a_family_without_pods_is_held_by_no_block() -> None:
    only4 = PodRanges((ipaddress.ip_network("10.244.0.0/16"),))
    assert only4.holds(block("::/0")) is False


def test_the_ranges_of_nodes_come_before_the_usual_ones() -> None:
    node = Node(spec=NodeSpec(pod_cidr="10.42.0.0/24", pod_cidrs=("10.42.0.0/24", "fd42::/64")))
    found = of_nodes([node])
    assert (str(found), found.is_assumed) == ("10.42.0.0/24, fd42::/64", False)
    assert of_nodes([]).is_assumed
    assert str(of_nodes([node], (ipaddress.ip_network("10.1.0.0/16"),))) == "10.1.0.0/16"
