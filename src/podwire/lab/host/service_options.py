"""The options of `podwire up` about Services, Gateways and policies, as roles get them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from podwire.lab.relay.published import PublishedPort, parse_all

DEFAULT_PORTS = (30000, 32767)
"""Source: kube-apiserver's flag --service-node-port-range."""


class ServiceOptions(msgspec.Struct, frozen=True):
    """The first and last node port, whether externalIPs are allowed, fixed host ports, and whether nodes speak BGP.

    `gateway_api` is the release channel of Gateway API; empty: its kinds are not served. `default_deny`: agents isolate
    every pod.
    """

    node_ports: tuple[int, int] = DEFAULT_PORTS
    external_ips: bool = False
    published: tuple[PublishedPort, ...] = ()
    bgp: bool = False
    gateway_api: str = "standard"
    default_deny: bool = False

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> ServiceOptions:
        """The options of a role's arguments, as `arguments` made them."""
        published = parse_all(filter(None, arguments["published"].split(",")))
        node_ports = parse_range(arguments["node_ports"])
        external, bgp, deny = (bool(arguments[name]) for name in ("external_ips", "bgp", "default_deny"))
        return cls(node_ports, external, published, bgp, arguments["gateway_api"], deny)

    def arguments(self) -> dict[str, str]:
        """The options for the arguments of a role."""
        first, last = self.node_ports
        return {
            "node_ports": f"{first}-{last}",
            "external_ips": "yes" if self.external_ips else "",
            "published": ",".join(map(str, self.published)),
            "bgp": "yes" if self.bgp else "",
            "gateway_api": self.gateway_api,
            "default_deny": "yes" if self.default_deny else "",
        }


def parse_range(text: str) -> tuple[int, int]:
    """The first and the last port of FIRST-LAST; raises ValueError."""
    first, _, last = text.partition("-")
    if first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 65535:
        return int(first), int(last)
    raise ValueError(f"--service-node-port-range {text}: write FIRST-LAST of 1 to 65535, such as 30000-32767")
