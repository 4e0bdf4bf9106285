"""Addresses of the internet, which a world does not have: for a moment its host outside bears them and answers."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Iterator

from podwire.kernel import links
from podwire.kernel.namespaces import inside_network
from podwire.kernel.netlink import Netlink
from podwire.lab.base import paths
from podwire.lab.network.topology import Topology

_LOOPBACK = "lo"


@contextlib.contextmanager
def borne(addresses: Iterable[str], topology: Topology) -> Iterator[None]:
    """Let the host outside bear the addresses that are none of the world's ranges, for the length of the block."""
    desired = tuple(one for text in addresses if not _is_inside(one := ipaddress.ip_address(text), topology))
    with contextlib.ExitStack() as stack:
        if desired:
            with inside_network(paths.network("outside")):
                netlink = stack.enter_context(Netlink())
                link = links.find(netlink, _LOOPBACK)
            assert link is not None, "each network namespace has one"
            for one in desired:
                netlink.run([links.add_address(link.index, one)])
                stack.callback(netlink.run, [links.delete_address(link.index, one)])
        yield


def _is_inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address, topology: Topology) -> bool:
    ranges = (
        topology.underlay4, topology.underlay6, topology.pods4, topology.pods6, topology.services4, topology.services6,
        *topology.public, *topology.internal,
    )  # fmt: skip
    return any(address.version == one.version and address in one for one in ranges)
