"""The network between the nodes: a namespace with a bridge, and a namespace with one cable to it for each host."""

from __future__ import annotations

import hashlib
import ipaddress
import os

import msgspec

from podwire.kernel import bridges, links, namespaces, routes, sysctl
from podwire.kernel.bridges import Interface
from podwire.kernel.links import VethEnd
from podwire.kernel.netlink import Netlink
from podwire.kernel.nftables import Nftables
from podwire.lab.base import paths
from podwire.lab.network.pools import Network
from podwire.lab.network.topology import Topology

BRIDGE = "br0"
MTU = 1500
LOOPBACK = "lo"
ROUTE_PROTOCOL = 4
"""`static` in /etc/iproute2/rt_protos: set once, by an administrator."""


class UnderlayHost(msgspec.Struct, frozen=True):
    """One end of a cable: a node, or the outside host.

    It looks for the addresses of `on_link` on the underlay itself; what it does not know it sends to `gateways`.
    """

    name: str
    addresses: tuple[Interface, ...]
    gateways: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]
    on_link: tuple[Network, ...] = ()

    def mac(self, end: str) -> str:
        """The hardware address of an end of its cable; it follows from the name."""
        return "02:" + hashlib.sha256(f"{end}/{self.name}".encode()).digest()[:5].hex(":")


def hosts(topology: Topology) -> tuple[UnderlayHost, ...]:
    """The outside host and every node.

    Nodes send what they do not know to the outside host; the Service ranges too, so that a node's own connection to a
    Service has a route before the rules turn it into one to an endpoint.
    """
    outside = (topology.outside4.ip, topology.outside6.ip)
    control = (topology.control4.ip, topology.control6.ip)
    nodes = tuple(UnderlayHost(node.name, (node.ipv4, node.ipv6), outside) for node in topology.all_nodes())
    external = UnderlayHost("outside", (topology.outside4, topology.outside6), control, topology.routed_pools)
    return (external, *nodes)


def internal_filter(topology: Topology) -> str:
    """The ruleset of the bridge: no host sends frames to an internal load balancer.

    Nodes turn their own and their pods' packets to one into packets to an endpoint, so that no such address is ever a
    destination between them. What is dropped came from outside, by whatever route.
    """
    rules = [rule for pool in topology.internal for rule in _dropped(pool)]
    lines = "".join(f"    {rule} drop\n" for rule in rules)
    return (
        "table bridge podwire-underlay {\n  chain internal-load-balancers {\n"
        f"    type filter hook prerouting priority -300;\n{lines}  }}\n}}\n"
    )


def _dropped(pool: Network) -> tuple[str, ...]:
    if pool.version == 4:
        return f"ether type ip ip daddr {pool}", f"ether type arp arp daddr ip {pool}"
    return (f"ether type ip6 ip6 daddr {pool}",)


def build(topology: Topology) -> None:
    """Make everything; run once, in a process of its own.

    It leaves the host's network namespace for good: a process of a user namespace cannot go back there.
    """
    namespaces.unshare(namespaces.CLONE_NEWNET)
    namespaces.pin("/proc/self/ns/net", paths.network("underlay"))
    for host in hosts(topology):
        namespaces.new_network_namespace(paths.network(host.name))
    sysctl.write({"net/ipv4/ip_forward": 1, "net/ipv6/conf/all/forwarding": 1})
    with Netlink() as underlay:
        bridge = _bridge(underlay, (topology.control4, topology.control6))
        for host in hosts(topology):
            _cable(underlay, bridge, host)
    _filter(topology)
    for host in hosts(topology):
        namespaces.enter_network(paths.network(host.name))
        with Netlink() as inside:
            _address(inside, host)


def _filter(topology: Topology) -> None:
    nft = Nftables()
    nft.run(internal_filter(topology))
    nft.close()


def _bridge(netlink: Netlink, addresses: tuple[Interface, ...]) -> int:
    netlink.run([links.bring_up(LOOPBACK), bridges.bridge(BRIDGE, MTU)])
    index = _index(netlink, BRIDGE)
    netlink.run([*(bridges.add_interface(index, address) for address in addresses), links.bring_up(BRIDGE)])
    return index


def _cable(netlink: Netlink, bridge: int, host: UnderlayHost) -> None:
    far = os.open(paths.network(host.name), os.O_RDONLY)
    try:
        near, end = VethEnd(host.name, host.mac("near")), VethEnd("eth0", host.mac("far"))
        pair = links.veth(near, end, far, MTU)
        netlink.run([pair, bridges.enslave(host.name, bridge), links.bring_up(host.name)])
    finally:
        os.close(far)


def _address(netlink: Netlink, host: UnderlayHost) -> None:
    sysctl.write({"net/ipv6/conf/eth0/accept_ra": 0})
    index = _index(netlink, "eth0")
    netlink.run(
        [
            links.bring_up(LOOPBACK),
            *(bridges.add_interface(index, address) for address in host.addresses),
            links.bring_up("eth0"),
            *(routes.replace_route(_default(gateway, index)) for gateway in host.gateways),
            *(routes.replace_route(routes.Route(pool, ROUTE_PROTOCOL, link=index)) for pool in host.on_link),
        ]
    )


def _default(gateway: ipaddress.IPv4Address | ipaddress.IPv6Address, link: int) -> routes.Route:
    everything = ipaddress.ip_network("0.0.0.0/0" if gateway.version == 4 else "::/0")
    return routes.Route(everything, ROUTE_PROTOCOL, link=link, gateway=gateway)


def _index(netlink: Netlink, name: str) -> int:
    link = links.find(netlink, name)
    assert link is not None, f"{name} was made a moment ago"
    return link.index
