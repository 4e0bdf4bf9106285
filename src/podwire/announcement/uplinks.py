"""The links by which a node's clients reach it: those that bear its InternalIPs."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from podwire.announcement.model import Link
from podwire.kernel import links
from podwire.kernel.netlink import Netlink
from podwire.kube.addresses import IPAddress


def uplinks(node_addresses: Collection[IPAddress]) -> tuple[Link, ...]:
    """Return the links of this namespace that have one of these addresses, with all their addresses. Raises OSError."""
    with Netlink() as netlink:
        held = list(links.addresses(netlink))
        bearers = {entry.link for entry in held if entry.address in node_addresses}
        found = [link for link in links.links(netlink) if link.index in bearers]
    return tuple(
        Link(
            link.name,
            tuple(ipaddress.ip_interface((e.address, e.prefix_length)) for e in held if e.link == link.index),
        )
        for link in sorted(found, key=lambda link: link.index)
    )
