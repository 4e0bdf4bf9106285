"""Proxy neighbours: addresses that the kernel answers for by ARP and neighbour discovery without having them.

The kernel answers for an IPv4 address where it forwards on that link and its route to the address leads through another
link; for an IPv6 address where it forwards and `proxy_ndp` of the link is 1. For IPv6 it joins the multicast group of
the solicitations. Sources: linux/neighbour.h; net/ipv4/arp.c arp_process, net/ipv6/ndisc.c ndisc_recv_ns.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

import msgspec

from podwire.kernel.elements import IPAddress
from podwire.kernel.netlink import NLM_F_CREATE, NLM_F_REPLACE, Netlink, Request, attribute, attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

_RTM_NEWNEIGH = 28
_RTM_DELNEIGH = 29
_RTM_GETNEIGH = 30
_NDA_DST = 1
_NDA_PROTOCOL = 12
_NTF_PROXY = 0x08

_HEAD = struct.Struct("=BxxxiHBB")
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_GONE = frozenset({errno.ESRCH, errno.ENOENT, errno.ENODEV})


class ProxyNeighbour(msgspec.Struct, frozen=True):
    """An address that is answered for on the link of that index. `protocol` names who added it (rtnetlink(7))."""

    link: int
    address: IPAddress
    protocol: int


def replace(neighbour: ProxyNeighbour) -> Request:
    """Answer for this address from now on."""
    return Request(
        _RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, _body(neighbour), f"add proxy neighbour {neighbour.address}"
    )


def delete(neighbour: ProxyNeighbour) -> Request:
    """Do not answer for it any more. No error if it does not exist."""
    return Request(_RTM_DELNEIGH, 0, _body(neighbour), f"remove proxy neighbour {neighbour.address}", _GONE)


def proxy_neighbours(netlink: Netlink, protocol: int) -> Iterator[ProxyNeighbour]:
    """Return those of all links that this protocol added, both families. Raises NetlinkError."""
    for family in _FAMILIES.values():
        for payload in netlink.dump(_RTM_GETNEIGH, _HEAD.pack(family, 0, 0, _NTF_PROXY, 0)):
            _, link, _, _, _ = _HEAD.unpack_from(payload)
            found = attributes(payload, _HEAD.size)
            if _NDA_DST in found and found.get(_NDA_PROTOCOL) == bytes((protocol,)):
                yield ProxyNeighbour(link, ipaddress.ip_address(found[_NDA_DST]), protocol)


def _body(neighbour: ProxyNeighbour) -> bytes:
    head = _HEAD.pack(_FAMILIES[neighbour.address.version], neighbour.link, 0, _NTF_PROXY, 0)
    protocol = attribute(_NDA_PROTOCOL, bytes((neighbour.protocol,)))
    return head + attribute(_NDA_DST, neighbour.address.packed) + protocol
