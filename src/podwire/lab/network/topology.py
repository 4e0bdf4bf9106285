"""Who has which address in a world. Pure: numbers in, addresses out."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from podwire.lab.network import pools
from podwire.lab.network.pools import Network

MOST_NODES = 200
"""More would run out of the per-node ranges below 10.244.0.0/16 long after the machine ran out of memory."""


ZONE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
DOMAIN_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
LONGEST_DOMAIN = 50
"""So that three labels of 63 characters fit before `svc.` and the domain."""
"""The value of a label. Source: kubernetes.io "Labels and Selectors"."""


class NodeAddresses(msgspec.Struct, frozen=True):
    """One node: its addresses on the underlay, the ranges it gives its pods, and its zone, empty where it has none."""

    name: str
    ipv4: ipaddress.IPv4Interface
    ipv6: ipaddress.IPv6Interface
    pods4: ipaddress.IPv4Network
    pods6: ipaddress.IPv6Network
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """The ranges of a world and how many nodes it has. The underlay is one link; pods are routed.

    Nodes are in `zones` in turn. Load balancers get addresses of `public`, which the outside host reaches, or of
    `internal`, which it does not.
    """

    nodes: int
    overlay: str = "direct"
    zones: tuple[str, ...] = ()
    public: tuple[Network, ...] = pools.PUBLIC
    internal: tuple[Network, ...] = pools.INTERNAL
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
        for zone in self.zones:
            if not ZONE.fullmatch(zone):
                raise ValueError(f"--zones: {zone!r} is no value of a label; write names such as a,b,c")
        if len(self.domain) > LONGEST_DOMAIN or not all(map(DOMAIN_LABEL.fullmatch, self.domain.split("."))):
            raise ValueError(
                f"--cluster-domain {self.domain!r}: write a DNS name of at most {LONGEST_DOMAIN} characters, "
                "such as cluster.local"
            )
        if len(self.zones) > self.nodes:
            raise ValueError(f"--zones: {len(self.zones)} zones are more than {self.nodes} nodes: give --nodes too")

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> Topology:
        """The topology of a role's arguments, as `arguments` made them."""
        return cls(
            nodes=int(arguments["nodes"]),
            overlay=arguments["overlay"],
            zones=_words(arguments["zones"]),
            public=tuple(map(ipaddress.ip_network, _words(arguments["public"]))),
            domain=arguments["domain"],
        )

    def arguments(self) -> dict[str, str]:
        """What differs between worlds, for the arguments of a role: a process that starts again has the same."""
        return {
            "nodes": str(self.nodes),
            "overlay": self.overlay,
            "zones": ",".join(self.zones),
            "public": ",".join(map(str, self.public)),
            "domain": self.domain,
        }

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
            zone=self.zones[(number - 1) % len(self.zones)] if self.zones else "",
        )

    def underlay(self, version: int) -> Network:
        """The underlay's subnet of an address family: 4 or 6."""
        return self.underlay4 if version == 4 else self.underlay6

    def check_pools(self) -> None:
        """Raise ValueError where a public pool overlaps an address or a range of this world."""
        pools.check(self.public, tuple(self._taken()), (self.underlay4, self.underlay6))

    def _taken(self) -> Iterator[tuple[str, Network]]:
        yield from (("the range of pods", found) for found in (self.pods4, self.pods6))
        yield from (("the range of Services", found) for found in (self.services4, self.services6))
        yield from ((f"the internal pool {found}", found) for found in self.internal)
        hosts = [("the API server", self.control4, self.control6), ("the outside host", self.outside4, self.outside6)]
        hosts += [(node.name, node.ipv4, node.ipv6) for node in self.all_nodes()]
        for name, ipv4, ipv6 in hosts:
            yield f"the address {ipv4.ip} of {name}", ipaddress.IPv4Network(ipv4.ip)
            yield f"the address {ipv6.ip} of {name}", ipaddress.IPv6Network(ipv6.ip)

    @property
    def routed_pools(self) -> tuple[Network, ...]:
        """The public pools outside of the underlay's subnet: the outside host needs a route to them."""
        return tuple(pool for pool in self.public if not pools.is_within(pool, self.underlay(pool.version)))

    def all_nodes(self) -> tuple[NodeAddresses, ...]:
        """Every node, in order."""
        return tuple(self.node(number) for number in range(1, self.nodes + 1))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()
