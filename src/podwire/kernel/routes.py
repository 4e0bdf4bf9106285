"""Routes and neighbours: the requests that make and remove them, and those that exist.

Sources: rtnetlink(7), linux/rtnetlink.h, linux/neighbour.h.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

import msgspec

from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.kernel.links import pack_mac, unpack_mac
from podwire.kernel.netlink import (
    NLM_F_CREATE,
    NLM_F_REPLACE,
    Netlink,
    NetlinkError,
    Request,
    attribute,
    attributes,
    number,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_RTM_NEWROUTE = 24
_RTM_DELROUTE = 25
_RTM_GETROUTE = 26
_RTM_NEWNEIGH = 28
_RTM_DELNEIGH = 29
_RTM_GETNEIGH = 30

_RTA_DST = 1
_RTA_OIF = 4
_RTA_GATEWAY = 5
_RTA_PREFSRC = 7
_RTN_UNICAST = 1
_RTN_UNREACHABLE = 7
_RTNH_F_ONLINK = 4
_RT_TABLE_MAIN = 254
_RT_SCOPE_UNIVERSE = 0
_RT_SCOPE_LINK = 253

_NDA_DST = 1
_NDA_LLADDR = 2
_NUD_PERMANENT = 0x80
_NTF_SELF = 0x02
_AF_BRIDGE = 7

_ROUTE = struct.Struct("=BBBBBBBBI")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")

_GONE = frozenset({errno.ESRCH, errno.ENOENT, errno.ENODEV})
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EACCES})
"""What a look-up fails with where no route, or one of type unreachable, blackhole or prohibit, leads to the address."""


class Route(msgspec.Struct, frozen=True):
    """A route of the main table.

    Without link and gateway it is `unreachable`. `link` is an interface's index, 0 lets the kernel find the one that
    leads to the gateway; `onlink` takes the gateway for a direct neighbour whatever the addresses are. `protocol` names
    who made it (/etc/iproute2/rt_protos).
    """

    destination: IPNetwork
    protocol: int
    link: int = 0
    gateway: IPAddress | None = None
    source: IPAddress | None = None
    onlink: bool = False


class Neighbour(msgspec.Struct, frozen=True):
    """A permanent neighbour: the hardware address of an address on a link."""

    link: int
    address: IPAddress
    mac: str


class Forwarding(msgspec.Struct, frozen=True):
    """A permanent forwarding entry of a VXLAN device: the node address behind which a hardware address lives."""

    link: int
    mac: str
    address: IPAddress


def _family(version: int) -> int:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def replace_route(route: Route) -> Request:
    """Make this the route to its destination."""
    return Request(_RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, _route(route), f"add route {route.destination}")


def delete_route(route: Route) -> Request:
    """Remove the route with this destination, protocol and way. No error if it does not exist."""
    return Request(_RTM_DELROUTE, 0, _route(route), f"remove route {route.destination}", _GONE)


def _route(route: Route) -> bytes:
    unreachable = not route.link and route.gateway is None
    link_scope = route.destination.version == 4 and route.gateway is None and not unreachable
    head = _ROUTE.pack(
        _family(route.destination.version),
        route.destination.prefixlen,
        0,
        0,
        _RT_TABLE_MAIN,
        route.protocol,
        _RT_SCOPE_LINK if link_scope else _RT_SCOPE_UNIVERSE,
        _RTN_UNREACHABLE if unreachable else _RTN_UNICAST,
        _RTNH_F_ONLINK if route.onlink else 0,
    )
    body = head + attribute(_RTA_DST, route.destination.network_address.packed)
    if route.link:
        body += number(_RTA_OIF, route.link)
    if route.gateway is not None:
        body += attribute(_RTA_GATEWAY, route.gateway.packed)
    if route.source is not None:
        body += attribute(_RTA_PREFSRC, route.source.packed)
    return body


def routes(netlink: Netlink, version: int, protocol: int = 0) -> Iterator[Route]:
    """The routes of one IP version in the main table; with a protocol only those that it made."""
    filters = _ROUTE.pack(_family(version), 0, 0, 0, _RT_TABLE_MAIN, protocol, 0, 0, 0)
    for payload in netlink.dump(_RTM_GETROUTE, filters):
        _, length, _, _, table, made_by, _, kind, flags = _ROUTE.unpack_from(payload)
        if (
            table != _RT_TABLE_MAIN
            or kind not in {_RTN_UNICAST, _RTN_UNREACHABLE}
            or (protocol and made_by != protocol)
        ):
            continue
        found = attributes(payload, _ROUTE.size)
        raw = found.get(_RTA_DST, bytes(4 if version == 4 else 16))
        yield _decoded(found, ipaddress.ip_network((raw, length)), made_by, kind, flags)


def lookup(netlink: Netlink, address: IPAddress) -> Route | None:
    """The route that the kernel takes to an address now; None where it has none, or the address is its own."""
    head = _ROUTE.pack(_family(address.version), address.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    body = head + attribute(_RTA_DST, address.packed)
    try:
        payload = netlink.get(_RTM_GETROUTE, body, f"find the route to {address}")
    except NetlinkError as error:
        if error.errno in _NO_ROUTE:
            return None
        raise
    _, _, _, _, _, made_by, _, kind, flags = _ROUTE.unpack_from(payload)
    if kind != _RTN_UNICAST:
        return None
    return _decoded(attributes(payload, _ROUTE.size), ipaddress.ip_network(address), made_by, kind, flags)


def _decoded(found: dict[int, bytes], destination: IPNetwork, made_by: int, kind: int, flags: int) -> Route:
    gateway, source = found.get(_RTA_GATEWAY), found.get(_RTA_PREFSRC)
    return Route(
        destination=destination,
        protocol=made_by,
        link=0 if kind == _RTN_UNREACHABLE else struct.unpack("=I", found.get(_RTA_OIF, bytes(4)))[0],
        gateway=None if gateway is None else ipaddress.ip_address(gateway),
        source=None if source is None else ipaddress.ip_address(source),
        onlink=bool(flags & _RTNH_F_ONLINK),
    )


def replace_neighbour(neighbour: Neighbour) -> Request:
    """Fix the hardware address of a neighbour for good: nothing that is received changes it."""
    return Request(
        _RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, _neighbour(neighbour), f"add neighbour {neighbour.address}"
    )


def delete_neighbour(neighbour: Neighbour) -> Request:
    """Delete a neighbour. No error if it does not exist."""
    return Request(_RTM_DELNEIGH, 0, _neighbour(neighbour), f"remove neighbour {neighbour.address}", _GONE)


def _neighbour(neighbour: Neighbour) -> bytes:
    head = _NEIGHBOUR.pack(_family(neighbour.address.version), neighbour.link, _NUD_PERMANENT, 0, 0)
    return head + attribute(_NDA_DST, neighbour.address.packed) + attribute(_NDA_LLADDR, pack_mac(neighbour.mac))


def replace_forwarding(entry: Forwarding) -> Request:
    """Send frames for a hardware address to this node only."""
    return Request(_RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, _forwarding(entry), f"forward {entry.mac}")


def delete_forwarding(entry: Forwarding) -> Request:
    """Delete a forwarding entry. No error if it does not exist."""
    return Request(_RTM_DELNEIGH, 0, _forwarding(entry), f"remove {entry.mac}", _GONE)


def _forwarding(entry: Forwarding) -> bytes:
    head = _NEIGHBOUR.pack(_AF_BRIDGE, entry.link, _NUD_PERMANENT, _NTF_SELF, 0)
    return head + attribute(_NDA_LLADDR, pack_mac(entry.mac)) + attribute(_NDA_DST, entry.address.packed)


def neighbours(netlink: Netlink, link: int) -> Iterator[Neighbour]:
    """The permanent neighbours on one link, both families."""
    for version in (4, 6):
        for payload in netlink.dump(_RTM_GETNEIGH, _NEIGHBOUR.pack(_family(version), 0, 0, 0, 0)):
            _, where, state, _, _ = _NEIGHBOUR.unpack_from(payload)
            found = attributes(payload, _NEIGHBOUR.size)
            if where == link and state & _NUD_PERMANENT and _NDA_DST in found and _NDA_LLADDR in found:
                yield Neighbour(link, ipaddress.ip_address(found[_NDA_DST]), unpack_mac(found[_NDA_LLADDR]))


def forwardings(netlink: Netlink, link: int) -> Iterator[Forwarding]:
    """The permanent forwarding entries of one VXLAN device."""
    for payload in netlink.dump(_RTM_GETNEIGH, _NEIGHBOUR.pack(_AF_BRIDGE, 0, 0, 0, 0)):
        _, where, state, _, _ = _NEIGHBOUR.unpack_from(payload)
        found = attributes(payload, _NEIGHBOUR.size)
        if where == link and state & _NUD_PERMANENT and _NDA_DST in found and _NDA_LLADDR in found:
            yield Forwarding(link, unpack_mac(found[_NDA_LLADDR]), ipaddress.ip_address(found[_NDA_DST]))
