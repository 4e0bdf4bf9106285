"""Addresses in ranges of pods that are nodes'."""

from __future__ import annotations

import ipaddress

import pytest

from podwire.agent.pod_addresses import pod_ranges
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster
from tests.agent.test_egress_gateways import node


@pytest.mark.parametrize(
    ("mode", "nodes"),
    [
        (Mode.DIRECT, []),
        (Mode.VXLAN, ["10.244.2.1"]),
        (Mode.CROSS_SUBNET, ["10.244.2.1"]),
        (Mode.NONE, ["10.244.2.0", "10.244.2.1"]),
    ],
)
def test_a_nodes_own_addresses_are_no_pods(mode: Mode, nodes: list[str]) -> None:
    found = pod_ranges(Cluster((ipaddress.ip_network("10.244.0.0/16"),), mode))
    assert {str(one) for one in found.node_changed("far", node("172.18.0.3"))} == set(nodes)
    assert found.is_pods(ipaddress.ip_address("10.244.2.2"))
    for text in nodes:
        assert not found.is_pods(ipaddress.ip_address(text))
    assert not found.is_pods(ipaddress.ip_address("172.18.0.3"))
