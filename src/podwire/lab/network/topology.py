"""Who has which address in a world. Pure: numbers in, addresses out."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

import msgspec

MOST_NODES = 200
"""More would run out of the per-node ranges below 10.244.0.0/16 long after the machine ran out of memory."""


class NodeAddresses(msgspec.Struct, frozen=True):
    """One node: its addresses on the underlay and the ranges it gives its pods."""

    name: str
    ipv4: ipaddress.IPv4Interface
    ipv6: ipaddress.IPv6Interface
    pods4: ipaddress.IPv4Network
    pods6: ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Topology:
    """The ranges of a world and how many nodes it has. The underlay is one link; pods are routed."""

    nodes: int
    overlay: str = "direct"
    underlay4: ipaddress.IPv4Network = field(default=ipaddress.IPv4Network("172.18.0.0/16"))
    underlay6: ipaddress.IPv6Network = field(default=ipaddress.IPv6Network("fd00:172:18::/64"))
    pods4: ipaddress.IPv4Network = field(default=ipaddress.IPv4Network("10.244.0.0/16"))
    pods6: ipaddress.IPv6Network = field(default=ipaddress.IPv6Network("fd00:10:244::/56"))
    services4: ipaddress.IPv4Network = field(default=ipaddress.IPv4Network("10.96.0.0/16"))
    services6: ipaddress.IPv6Network = field(default=ipaddress.IPv6Network("fd00:10:96::/112"))
    domain: str = "cluster.local"

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= MOST_NODES:
            raise ValueError(f"--nodes {self.nodes}: a world has 1 to {MOST_NODES} nodes")

    @property
    def control4(self) -> ipaddress.IPv4Interface:
        """The underlay's own host, where the API server listens."""
        return ipaddress.IPv4Interface((self.underlay4[1], self.underlay4.prefixlen))

    @property
    def control6(self) -> ipaddress.IPv6Interface:
        """The underlay's own host, where the API server listens."""
        return ipaddress.IPv6Interface((self.underlay6[1], self.underlay6.prefixlen))

    @property
    def outside4(self) -> ipaddress.IPv4Interface:
        """The host for the network outside of the cluster: external clients and upstream DNS."""
        return ipaddress.IPv4Interface((self.underlay4[0xFF01], self.underlay4.prefixlen))

    @property
    def outside6(self) -> ipaddress.IPv6Interface:
        """The same host's other address."""
        return ipaddress.IPv6Interface((self.underlay6[0xFF01], self.underlay6.prefixlen))

    @property
    def api_service(self) -> tuple[str, str]:
        """The addresses of Service default/kubernetes: the first of each range, as upstream."""
        return str(self.services4[1]), str(self.services6[1])

    @property
    def dns_service(self) -> tuple[str, str]:
        """The addresses of Service kube-system/kube-dns: the tenth of each range, as kubeadm has it."""
        return str(self.services4[10]), str(self.services6[10])

    @property
    def api_server(self) -> str:
        """The API server's URL on the underlay."""
        return f"https://{self.control4.ip}:6443"

    def node(self, number: int) -> NodeAddresses:
        """The node of this number, counted from 1."""
        step4 = 2 ** (32 - 24)
        step6 = 2 ** (128 - 64)
        return NodeAddresses(
            name=f"node-{number}",
            ipv4=ipaddress.IPv4Interface((self.underlay4[number + 1], self.underlay4.prefixlen)),
            ipv6=ipaddress.IPv6Interface((self.underlay6[number + 1], self.underlay6.prefixlen)),
            pods4=ipaddress.IPv4Network((self.pods4[number * step4], 24)),
            pods6=ipaddress.IPv6Network((self.pods6[number * step6], 64)),
        )

    def all_nodes(self) -> tuple[NodeAddresses, ...]:
        """Every node, in order."""
        return tuple(self.node(number) for number in range(1, self.nodes + 1))
