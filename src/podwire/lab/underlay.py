"""The network between the nodes: a namespace with a bridge, and a namespace with one cable to it for each host."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute

from podwire.kernel import namespaces
from podwire.lab import paths
from podwire.lab.topology import Topology

BRIDGE = "br0"
MTU = 1500

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@dataclass(frozen=True, slots=True)
class UnderlayHost:
    """One end of a cable: a node, or the outside host. Routes send what it does not know to `gateways`."""

    name: str
    addresses: tuple[Interface, ...]
    gateways: tuple[str, ...]


def hosts(topology: Topology) -> tuple[UnderlayHost, ...]:
    """The outside host and every node; nodes reach the world outside, and the Service ranges, through the outside."""
    outside = (str(topology.outside4.ip), str(topology.outside6.ip))
    control = (str(topology.control4.ip), str(topology.control6.ip))
    nodes = tuple(UnderlayHost(node.name, (node.ipv4, node.ipv6), outside) for node in topology.all_nodes())
    return (UnderlayHost("outside", (topology.outside4, topology.outside6), control), *nodes)


def build(topology: Topology) -> None:
    """Make everything; run once, in a process of its own.

    It leaves the host's network namespace for good: a process of a user namespace cannot go back there.
    """
    namespaces.unshare(namespaces.CLONE_NEWNET)
    namespaces.pin("/proc/self/ns/net", paths.network("underlay"))
    for host in hosts(topology):
        namespaces.new_network_namespace(paths.network(host.name))
    _forward()
    with IPRoute() as underlay:
        _loopback(underlay)
        bridge = _bridge(underlay, (topology.control4, topology.control6))
        for host in hosts(topology):
            _cable(underlay, bridge, host)
    for host in hosts(topology):
        namespaces.enter_network(paths.network(host.name))
        with IPRoute() as inside:
            _address(inside, host)


def _forward() -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")


def _loopback(ipr: Any) -> None:
    ipr.link("set", index=1, state="up")


def _bridge(ipr: Any, addresses: tuple[Interface, ...]) -> int:
    ipr.link("add", ifname=BRIDGE, kind="bridge", mtu=MTU)
    index = int(ipr.link_lookup(ifname=BRIDGE)[0])
    _add_addresses(ipr, index, addresses)
    ipr.link("set", index=index, state="up")
    return index


def _cable(ipr: Any, bridge: int, host: UnderlayHost) -> None:
    far = os.open(paths.network(host.name), os.O_RDONLY)
    try:
        peer = {"ifname": "eth0", "net_ns_fd": far, "mtu": MTU}
        ipr.link("add", ifname=host.name, kind="veth", mtu=MTU, peer=peer)
    finally:
        os.close(far)
    index = int(ipr.link_lookup(ifname=host.name)[0])
    ipr.link("set", index=index, master=bridge, state="up")


def _address(ipr: Any, host: UnderlayHost) -> None:
    _loopback(ipr)
    index = int(ipr.link_lookup(ifname="eth0")[0])
    Path("/proc/sys/net/ipv6/conf/eth0/accept_ra").write_text("0")
    _add_addresses(ipr, index, host.addresses)
    ipr.link("set", index=index, state="up")
    for gateway in host.gateways:
        default = "::/0" if ":" in gateway else "0.0.0.0/0"
        ipr.route("add", dst=default, gateway=gateway, oif=index)


def _add_addresses(ipr: Any, index: int, addresses: tuple[Interface, ...]) -> None:
    nodad = 0x02
    for address in addresses:
        flags = {"flags": nodad} if address.version == 6 else {}
        ipr.addr("add", index=index, address=str(address.ip), prefixlen=address.network.prefixlen, **flags)
