"""Links and their addresses: the requests that change them, and what exists.

Sources: rtnetlink(7), linux/if_link.h, linux/if_addr.h.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

import msgspec

from podwire.kernel.elements import IPAddress
from podwire.kernel.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Netlink,
    NetlinkError,
    Request,
    attribute,
    attributes,
    nested,
    number,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_RTM_NEWLINK = 16
_RTM_DELLINK = 17
_RTM_GETLINK = 18
_RTM_NEWADDR = 20
_RTM_DELADDR = 21
_RTM_GETADDR = 22
_RTM_NEWLINKPROP = 108

_IFLA_ADDRESS = 1
_IFLA_IFNAME = 3
_IFLA_MTU = 4
_IFLA_LINK = 5
_IFLA_MASTER = 10
_IFLA_OPERSTATE = 16
_IFLA_LINKINFO = 18
_IFLA_IFALIAS = 20
_IFLA_GROUP = 27
_IFLA_NET_NS_FD = 28
_IFLA_PROP_LIST = 52
_IFLA_ALT_IFNAME = 53
_IFLA_INFO_KIND = 1
_IFLA_INFO_DATA = 2
_VETH_INFO_PEER = 1

_IFLA_VXLAN_ID = 1
_IFLA_VXLAN_LOCAL = 4
_IFLA_VXLAN_LEARNING = 7
_IFLA_VXLAN_PORT = 15
_IFLA_VXLAN_LOCAL6 = 17

_IFA_ADDRESS = 1
_IFA_LOCAL = 2
_IFA_FLAGS = 8
_IFA_F_NODAD = 0x02
_IFA_F_NOPREFIXROUTE = 0x200

_NLM_F_APPEND = 0x800
IFF_UP = 0x1
_OPERATIONAL = frozenset({0, 6})
"""IF_OPER_UNKNOWN, which lo has, and IF_OPER_UP."""

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")


class Vxlan(msgspec.Struct, frozen=True):
    """What makes a VXLAN device: network identifier, UDP port, and the address that it sends from."""

    identifier: int
    port: int
    local: IPAddress


class Link(msgspec.Struct, frozen=True):
    """A link as the kernel has it. `mac` is text in lower case, empty where the link has none; `alias` is free text.

    `peer` is the index of a veth's other end, in that one's namespace; `master` that of a bridge or bond, 0 for none.
    """

    index: int
    name: str
    up: bool
    operational: bool
    mtu: int
    mac: str
    alias: str
    kind: str
    vxlan: Vxlan | None = None
    group: int = 0
    peer: int = 0
    master: int = 0


class LinkAddress(msgspec.Struct, frozen=True):
    """An address of a link."""

    link: int
    address: IPAddress
    prefix_length: int


def pack_mac(mac: str) -> bytes:
    """Six bytes of the usual text."""
    return bytes.fromhex(mac.replace(":", ""))


def unpack_mac(raw: bytes) -> str:
    """The usual text, in lower case."""
    return raw.hex(":")


class VethEnd(msgspec.Struct, frozen=True):
    """One end of a veth pair that is to be made, with its hardware address."""

    name: str
    mac: str


def veth(end: VethEnd, peer: VethEnd, peer_namespace: int, mtu: int) -> Request:
    """Make a veth pair, both ends down: one here, its peer in the network namespace of that descriptor."""
    head = _LINK.pack(0, 0, 0, 0, 0)
    far = head + _end(peer, mtu) + number(_IFLA_NET_NS_FD, peer_namespace)
    info = nested(
        _IFLA_LINKINFO,
        text(_IFLA_INFO_KIND, "veth"),
        nested(_IFLA_INFO_DATA, attribute(_VETH_INFO_PEER, far)),
    )
    body = head + _end(end, mtu) + info
    return Request(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"make link {end.name}")


def vxlan(name: str, mac: str, mtu: int, device: Vxlan) -> Request:
    """Make a VXLAN device, down, that learns nothing from the packets it receives."""
    local = _IFLA_VXLAN_LOCAL if device.local.version == 4 else _IFLA_VXLAN_LOCAL6
    data = nested(
        _IFLA_INFO_DATA,
        number(_IFLA_VXLAN_ID, device.identifier),
        attribute(local, device.local.packed),
        attribute(_IFLA_VXLAN_LEARNING, b"\0"),
        attribute(_IFLA_VXLAN_PORT, struct.pack("!H", device.port)),
    )
    info = nested(_IFLA_LINKINFO, text(_IFLA_INFO_KIND, "vxlan"), data)
    body = _LINK.pack(0, 0, 0, 0, 0) + _end(VethEnd(name, mac), mtu) + info
    return Request(_RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, f"make link {name}")


def _end(end: VethEnd, mtu: int) -> bytes:
    return text(_IFLA_IFNAME, end.name) + attribute(_IFLA_ADDRESS, pack_mac(end.mac)) + number(_IFLA_MTU, mtu)


def bring_up(name: str) -> Request:
    """Set a link up."""
    body = _LINK.pack(0, 0, 0, IFF_UP, IFF_UP) + text(_IFLA_IFNAME, name)
    return Request(_RTM_NEWLINK, 0, body, f"bring up {name}")


def take_down(name: str) -> Request:
    """Set a link down: its other end has no carrier then."""
    body = _LINK.pack(0, 0, 0, 0, IFF_UP) + text(_IFLA_IFNAME, name)
    return Request(_RTM_NEWLINK, 0, body, f"take down {name}")


def set_mtu(name: str, mtu: int) -> Request:
    """Change the largest packet of a link, in bytes."""
    return Request(
        _RTM_NEWLINK,
        0,
        _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name) + number(_IFLA_MTU, mtu),
        f"set the mtu of {name}",
    )


def set_alias(name: str, alias: str) -> Request:
    """Give a link a free text, of at most 255 bytes, that `ip link` shows. A link cannot be made with one."""
    body = _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name) + attribute(_IFLA_IFALIAS, alias.encode()[:255])
    return Request(_RTM_NEWLINK, 0, body, f"describe link {name}")


def rename(index: int, name: str) -> Request:
    """Give a link another name. Before Linux 6.2 one that is up is refused with EBUSY."""
    body = _LINK.pack(0, 0, index, 0, 0) + text(_IFLA_IFNAME, name)
    return Request(_RTM_NEWLINK, 0, body, f"name link {index} {name}")


def add_alternative_name(index: int, name: str) -> Request:
    """Let a link be found by this name too. No error if it is already."""
    body = _LINK.pack(0, 0, index, 0, 0) + nested(_IFLA_PROP_LIST, text(_IFLA_ALT_IFNAME, name))
    flags = NLM_F_CREATE | NLM_F_EXCL | _NLM_F_APPEND
    return Request(_RTM_NEWLINKPROP, flags, body, f"name link {index} {name} too", frozenset({errno.EEXIST}))


def set_group(index: int, group: int) -> Request:
    """Change the group of a link, a number that rules can read; 0 is the default. No error if it does not exist."""
    body = _LINK.pack(0, 0, index, 0, 0) + number(_IFLA_GROUP, group)
    return Request(_RTM_NEWLINK, 0, body, f"set the group of link {index}", frozenset({errno.ENODEV}))


def delete(name: str) -> Request:
    """Remove a link, and its peer with it. No error if it does not exist."""
    body = _LINK.pack(0, 0, 0, 0, 0) + text(_IFLA_IFNAME, name)
    return Request(_RTM_DELLINK, 0, body, f"remove link {name}", frozenset({errno.ENODEV}))


def add_address(link: int, address: IPAddress) -> Request:
    """Give a link one address, whole (/32 or /128), usable at once: no duplicate address detection, no route."""
    return Request(_RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, _address(link, address), f"add address {address}")


def delete_address(link: int, address: IPAddress) -> Request:
    """Remove an address. No error if it does not exist."""
    gone = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})
    return Request(_RTM_DELADDR, 0, _address(link, address), f"remove address {address}", gone)


def _address(link: int, address: IPAddress) -> bytes:
    flags = _IFA_F_NODAD | _IFA_F_NOPREFIXROUTE
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return (
        _ADDRESS.pack(family, address.max_prefixlen, flags & 0xFF, 0, link)
        + attribute(_IFA_LOCAL, address.packed)
        + attribute(_IFA_ADDRESS, address.packed)
        + number(_IFA_FLAGS, flags)
    )


def find(netlink: Netlink, name: str = "", index: int = 0) -> Link | None:
    """The link with that name or index, None where there is none."""
    body = _LINK.pack(0, 0, index, 0, 0) + (text(_IFLA_IFNAME, name) if name else b"")
    try:
        return _link(netlink.get(_RTM_GETLINK, body, f"find link {name or index}"))
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise


def links(netlink: Netlink) -> Iterator[Link]:
    """All links of the namespace that the socket is in."""
    for payload in netlink.dump(_RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0)):
        yield _link(payload)


def _link(payload: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(payload)
    found = attributes(payload, _LINK.size)
    info = attributes(found.get(_IFLA_LINKINFO, b""))
    kind = _text(info.get(_IFLA_INFO_KIND, b""))
    return Link(
        index=index,
        name=_text(found[_IFLA_IFNAME]),
        up=bool(flags & IFF_UP),
        operational=found.get(_IFLA_OPERSTATE, b"\0")[0] in _OPERATIONAL,
        mtu=_number(found, _IFLA_MTU),
        mac=unpack_mac(found.get(_IFLA_ADDRESS, b"")),
        alias=_text(found.get(_IFLA_IFALIAS, b"")),
        kind=kind,
        vxlan=_vxlan(attributes(info.get(_IFLA_INFO_DATA, b""))) if kind == "vxlan" else None,
        group=_number(found, _IFLA_GROUP),
        peer=_number(found, _IFLA_LINK) if kind == "veth" else 0,
        master=_number(found, _IFLA_MASTER),
    )


def _number(found: dict[int, bytes], kind: int) -> int:
    """A 32-bit attribute; 0 where it is missing."""
    return int(struct.unpack("=I", found.get(kind, bytes(4)))[0])


def _vxlan(data: dict[int, bytes]) -> Vxlan | None:
    local = data.get(_IFLA_VXLAN_LOCAL) or data.get(_IFLA_VXLAN_LOCAL6)
    if local is None:
        return None
    return Vxlan(
        identifier=struct.unpack("=I", data[_IFLA_VXLAN_ID])[0],
        port=struct.unpack("!H", data[_IFLA_VXLAN_PORT])[0],
        local=ipaddress.ip_address(local),
    )


def _text(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "replace")


def addresses(netlink: Netlink) -> Iterator[LinkAddress]:
    """All addresses of all links of the namespace that the socket is in."""
    for payload in netlink.dump(_RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
        _, length, _, _, link = _ADDRESS.unpack_from(payload)
        found = attributes(payload, _ADDRESS.size)
        raw = found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]
        yield LinkAddress(link, ipaddress.ip_address(raw), length)
