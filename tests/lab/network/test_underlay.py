"""The network between the nodes, with real packets: who reaches the addresses of load balancers."""

from __future__ import annotations

import ipaddress
import os
import subprocess

from podwire.kernel.namespaces import inside_network
from podwire.lab.base import paths
from podwire.lab.network import underlay
from podwire.lab.network.topology import Topology
from podwire.testing import eventually
from tests.sandbox import add_addresses, in_world

PUBLIC4, PUBLIC6 = "203.0.113.7", "2001:db8::7"
INTERNAL4, INTERNAL6 = "172.18.253.7", "fd00:172:18::fd:7"
TOPOLOGY = Topology(nodes=2, public=(ipaddress.ip_network("203.0.113.0/24"), ipaddress.ip_network("2001:db8::/112")))


def built() -> None:
    """Build the underlay; node-1 has the addresses of two load balancers, as if its rules translated them."""
    child = os.fork()
    if child == 0:
        underlay.build(TOPOLOGY)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with inside_network(paths.network("node-1")):
        add_addresses("eth0", f"{PUBLIC4}/32", f"{PUBLIC6}/128", f"{INTERNAL4}/32", f"{INTERNAL6}/128")


def inside(host: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("nsenter", f"--net={paths.network(host)}", *command), capture_output=True, text=True, check=False
    )


def answers(host: str, address: str) -> bool:
    """Whether an address replies to a ping; the first one waits for the neighbour's address as well."""
    return inside(host, "ping", "-c1", "-W1", address).returncode == 0


@in_world
def test_the_outside_host_reaches_public_addresses_only() -> None:
    built()
    eventually(lambda: answers("outside", PUBLIC4), 30, "a pool outside of the underlay's subnet on the link")
    eventually(lambda: answers("outside", PUBLIC6), 30)
    assert not answers("outside", INTERNAL4)
    assert not answers("outside", INTERNAL6)


@in_world
def test_no_route_of_the_outside_host_leads_to_internal_addresses() -> None:
    built()
    node, control = TOPOLOGY.node(1), TOPOLOGY.control4.ip
    for via in (node.ipv4.ip, control):
        inside("outside", "ip", "route", "replace", f"{INTERNAL4}/32", "via", str(via))
        inside("outside", "ip", "route", "replace", f"{PUBLIC4}/32", "via", str(via))
        assert not answers("outside", INTERNAL4), via
    assert not answers("outside", PUBLIC4), "the underlay's own host has no route to that pool"
    inside("outside", "ip", "route", "replace", f"{PUBLIC4}/32", "via", str(node.ipv4.ip))
    eventually(lambda: answers("outside", PUBLIC4), 30)
    for address in (INTERNAL6, PUBLIC6):
        inside("outside", "ip", "-6", "route", "replace", f"{address}/128", "via", str(node.ipv6.ip))
    assert not answers("outside", INTERNAL6)
    eventually(lambda: answers("outside", PUBLIC6), 30)


def test_the_filter_names_each_internal_pool() -> None:
    text = underlay.internal_filter(TOPOLOGY)
    for pool in TOPOLOGY.internal:
        assert f"daddr {pool} drop" in text
    assert "203.0.113" not in text


def test_a_host_is_in_the_network_of_its_name() -> None:
    external, *nodes = underlay.hosts(TOPOLOGY)
    assert (external.name, external.on_link) == ("outside", TOPOLOGY.public)
    assert [node.on_link for node in nodes] == [(), ()]
    assert underlay.hosts(Topology(nodes=1))[0].on_link == ()
