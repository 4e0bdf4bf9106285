"""The rights of podwire's containers beyond those of any process, each with its reason. Source: capabilities(7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podwire.install.settings import Settings

AGENT: Mapping[str, str] = {
    "NET_ADMIN": "rules, links, routes, neighbours, connection tracking and network sysctls of the node and its pods",
    "NET_RAW": "gratuitous ARP and neighbour advertisements of announced addresses; podwire capture",
    "SYS_ADMIN": "enters the network namespaces of pods (setns)",
}
BGP: Mapping[str, str] = {
    "SETUID": "runs bird as a user of its own",
    "SETGID": "runs bird in a group of its own",
    "SETPCAP": "takes all other capabilities from bird",
    "CHOWN": "gives bird its folder",
    "KILL": "ends bird, which has another user",
    "NET_BIND_SERVICE": "bird listens on port 179",
}
"""Of the agent too, where it speaks BGP."""
PLACE_CNI: Mapping[str, str] = {
    "DAC_OVERRIDE": "writes to /opt/cni/bin and /etc/cni/net.d, which some distributions give to another user",
}
REASONS: Mapping[str, str] = {**AGENT, **BGP, **PLACE_CNI}
RESTORE = ("NET_ADMIN", *PLACE_CNI)
"""Of the pods of an uninstall."""


def of_agent(settings: Settings) -> tuple[str, ...]:
    """The capabilities of the container `agent`."""
    return (*AGENT, *(BGP if settings.speaks_bgp else ()))


def security_context(*capabilities: str) -> dict[str, Any]:
    """A container with these capabilities alone, that changes nothing of its own image and gains no right later."""
    added = {"add": list(capabilities)} if capabilities else {}
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], **added},
    }
