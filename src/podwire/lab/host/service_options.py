"""The options of `podwire up` about Services, as roles get them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

DEFAULT_PORTS = (30000, 32767)
"""Source: kube-apiserver's flag --service-node-port-range."""


class ServiceOptions(msgspec.Struct, frozen=True):
    """The first and last node port, and whether Services may have externalIPs and nodes honour them."""

    node_ports: tuple[int, int] = DEFAULT_PORTS
    external_ips: bool = False

    @classmethod
    def read(cls, arguments: Mapping[str, str]) -> ServiceOptions:
        """The options of a role's arguments, as `arguments` made them."""
        return cls(parse_range(arguments["node_ports"]), bool(arguments["external_ips"]))

    def arguments(self) -> dict[str, str]:
        """The options for the arguments of a role."""
        first, last = self.node_ports
        return {"node_ports": f"{first}-{last}", "external_ips": "yes" if self.external_ips else ""}


def parse_range(text: str) -> tuple[int, int]:
    """The first and the last port of FIRST-LAST; raises ValueError."""
    first, _, last = text.partition("-")
    if first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 65535:
        return int(first), int(last)
    raise ValueError(f"--service-node-port-range {text}: write FIRST-LAST of 1 to 65535, such as 30000-32767")
