"""What is logged about Nodes that lack something, and when."""

import asyncio
import ipaddress
import logging

import pytest

from podwire.pods.advice import NodeAdvice, missing, unreachable
from podwire.pods.mode import Mode
from podwire.pods.model import Cluster, NodeNetwork, Overlay
from podwire.pods.rows import no_router
from podwire.pods.view import NetworkView
from tests.pods.cluster import DIRECT, RANGES, VXLAN
from tests.pods.test_rows import network

IP = ipaddress.ip_address
BARE = NodeNetwork("node-1")
SIX = NodeNetwork("six", network(2).ranges, (IP("fd00:172:18::3"),))


def test_what_a_node_waits_for() -> None:
    assert [text.partition(",")[0] for text in missing(BARE, DIRECT)] == [
        "its Node has no InternalIP",
        "its Node has no podCIDR inside --pod-cidrs",
    ]
    assert len(list(missing(BARE, Cluster(RANGES, Mode.NONE)))) == 1
    assert list(missing(network(1), VXLAN)) == []
    over = Cluster(RANGES, Mode.VXLAN, vxlan=Overlay(version=4))
    assert list(missing(SIX, over)) == ["its Node has no IPv4 InternalIP, which --vxlan-over needs"]


def test_why_a_node_cannot_be_reached() -> None:
    own = network(1)
    assert unreachable(SIX, own, DIRECT) == "it has no IPv4 InternalIP that leads to its pods"
    assert "no IPv4 InternalIP, and this node's tunnel" in unreachable(SIX, own, VXLAN)
    assert unreachable(SIX, own, Cluster(RANGES, Mode.VXLAN, vxlan=Overlay(version=6))) == ""
    assert unreachable(network(2), own, DIRECT) == unreachable(network(2), own, VXLAN) == ""


async def test_what_a_node_lacks_is_logged_when_it_lasts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    advice, view = NodeAdvice("node-1", patience=0.0), NetworkView("node-1", DIRECT, no_router)
    running = asyncio.create_task(advice.run())
    advice.nodes_complete(view, DIRECT)
    async with asyncio.timeout(60):
        for own, count in ((None, 1), (BARE, 2), (BARE, 2), (network(1), 3), (BARE, 4)):
            advice.own_changed(own, DIRECT)
            while len(caplog.records) < count:  # noqa: ASYNC110  a log is observed
                await asyncio.sleep(0)
    running.cancel()
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        "pods get no network on node node-1: its Node does not exist; its kubelet makes it",
        "pods get no network on node node-1: its Node has no InternalIP",
        "node node-1 has all that its pods need",
        "pods get no network on node node-1: its Node has no InternalIP",
    ]


async def test_what_is_there_in_time_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    advice = NodeAdvice("node-1", patience=30.0)
    running = asyncio.create_task(advice.run())
    for own in (None, BARE, network(1)):
        advice.own_changed(own, DIRECT)
        for _ in range(5):
            await asyncio.sleep(0)
    running.cancel()
    assert not caplog.records


def test_nodes_that_cannot_be_reached_are_logged_when_that_changes(caplog: pytest.LogCaptureFixture) -> None:
    advice, view = NodeAdvice("node-1"), NetworkView("node-1", DIRECT, no_router)
    view.nodes["node-1"] = network(1)
    for peer in (SIX, SIX, network(2), SIX):
        view.nodes["six"] = peer
        advice.peer_changed("six", view, DIRECT)
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "pods of node six cannot be reached from here",
        "pods of node six cannot be reached from here",
    ]
