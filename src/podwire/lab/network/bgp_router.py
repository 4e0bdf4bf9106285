"""The router of a world with BGP: bird on the outside host, a peer of all nodes. It spreads connections over them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from podwire.announcement.bgp.bird import Bird
from podwire.announcement.bgp_settings import BgpPeer, BgpSettings
from podwire.kernel import sysctl
from podwire.lab.network.topology import Topology

NODES_AS, ROUTER_AS = 64512, 64513
"""Of the numbers for private use (RFC 6996)."""


def settings(topology: Topology) -> BgpSettings:
    """Return what agents need to speak with the router."""
    return BgpSettings(NODES_AS, (BgpPeer(str(topology.outside4.ip), ROUTER_AS),))


def configuration(topology: Topology) -> str:
    """Return the router's configuration of bird."""
    return "\n".join(_lines(topology)) + "\n"


async def serve(topology: Topology, folder: Path) -> None:
    """Route until cancelled. Raises OSError."""
    sysctl.write({f"net/{family}/fib_multipath_hash_policy": 1 for family in ("ipv4", "ipv6")})
    bird = Bird(folder, capabilities=("net_bind_service", "net_admin"))
    bird.configure(configuration(topology))
    await bird.run()


def _lines(topology: Topology) -> Iterator[str]:
    yield "log stderr all;"
    yield f"router id {topology.outside4.ip};"
    yield "protocol device { scan time 60; }"
    for version in (4, 6):
        yield f"protocol kernel {{ ipv{version} {{ export where source = RTS_BGP; }}; merge paths yes; }}"
    yield "template bgp node {"
    yield f"  local {topology.outside4.ip} as {ROUTER_AS};"
    for version in (4, 6):
        yield f"  ipv{version} {{ import all; export none; }};"
    yield "}"
    for number, node in enumerate(topology.all_nodes(), start=1):
        yield f"protocol bgp node_{number} from node {{ neighbor {node.ipv4.ip} as {NODES_AS}; }}"
