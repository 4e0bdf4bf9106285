"""The ways between nodes: how the packets of pods travel from one node to another. Pure."""

from __future__ import annotations

import enum


class Mode(enum.Enum):
    """One way; the values are those of `--overlay`."""

    DIRECT = "direct"
    """By routes to the other nodes' addresses: all nodes are on one link."""
    ROUTED = "routed"
    """As DIRECT on a link; to other nodes by the router that leads to them: it has routes to all pod ranges."""
    VXLAN = "vxlan"
    """In VXLAN to every node."""
    CROSS_SUBNET = "cross-subnet"
    """As DIRECT to nodes of the same subnet, in VXLAN to all others."""
    NONE = "none"
    """Another program makes the routes between nodes."""

    @property
    def has_tunnel(self) -> bool:
        """Whether nodes have a VXLAN device."""
        return self in {Mode.VXLAN, Mode.CROSS_SUBNET}
