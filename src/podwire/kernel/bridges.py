"""Bridges, and addresses that bring the route to their network with them: what a link shared by hosts needs.

Sources: rtnetlink(7), linux/if_link.h, linux/if_addr.h.
"""

from __future__ import annotations

import ipaddress
import socket
import struct

from podwire.kernel.netlink import NLM_F_CREATE, NLM_F_EXCL, Request, attribute, nested, number, text

_RTM_NEWLINK = 16
_RTM_NEWADDR = 20
_IFLA_IFNAME = 3
_IFLA_MTU = 4
_IFLA_MASTER = 10
_IFLA_LINKINFO = 18
_IFLA_INFO_KIND = 1
_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_F_NODAD = 0x02

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def bridge(name: str, mtu: int) -> Request:
    """Make a bridge, down."""
    body = _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name) + number(_IFLA_MTU, mtu)
    body += nested(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, "bridge"))
    return Request(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"make bridge {name}")


def enslave(name: str, bridge_index: int) -> Request:
    """Make a link a port of the bridge with this index."""
    body = _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name) + number(_IFLA_MASTER, bridge_index)
    return Request(_RTM_NEWLINK, 0, body, f"put {name} on the bridge")


def add_interface(link: int, interface: Interface) -> Request:
    """Give a link an address and the route to its network, usable at once (no duplicate address detection)."""
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    flags = 0 if interface.version == 4 else _IFA_F_NODAD
    body = _ADDRESS.pack(family, interface.network.prefixlen, flags, 0, link)
    body += attribute(_IFA_LOCAL, interface.ip.packed) + attribute(_IFA_ADDRESS, interface.ip.packed)
    return Request(_RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body, f"add address {interface}")
