"""Routes of tables other than main, and the rules that choose a table by a packet's source or mark.

Sources: rtnetlink(7), linux/rtnetlink.h, linux/fib_rules.h.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import sys
from typing import TYPE_CHECKING

import msgspec

from podwire.kernel.elements import IPAddress, IPNetwork
from podwire.kernel.netlink import NLM_F_CREATE, NLM_F_REPLACE, Netlink, Request, attribute, attributes, number

if TYPE_CHECKING:
    from collections.abc import Iterator

_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_RTM_NEWRULE, _RTM_DELRULE, _RTM_GETRULE = 32, 33, 34
_NLM_F_EXCL = 0x200
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE = 1, 4, 5, 6, 15
_FRA_SRC, _FRA_PRIORITY, _FRA_MARK, _FRA_TABLE, _FRA_MARK_MASK, _FRA_PROTOCOL = 2, 6, 10, 15, 16, 21
_RTN_LOCAL, _RT_SCOPE_HOST = 2, 254
_FR_ACT_TO_TBL = 1
_RTNH_F_ONLINK = 4
KINDS = {"via": 1, "unreachable": 7, "throw": 9}
"""Types of routes: to a gateway, an error to the sender, and on to the next rule."""
_METRICS = {"via": 100, "unreachable": 4096, "throw": 100}
"""A way to a gateway goes before a way to nowhere with the same destination."""

_ROUTE = struct.Struct("=BBBBBBBBI")
_RULE = struct.Struct("=BBBBBBBBI")
_GONE = frozenset({errno.ESRCH, errno.ENOENT, errno.ENODEV})


class TableRoute(msgspec.Struct, frozen=True):
    """A route of one table. `link` is the index of the link that the gateway is on; 0: the kernel finds it."""

    table: int
    destination: IPNetwork
    protocol: int
    kind: str
    gateway: IPAddress | None = None
    link: int = 0


class SourceRule(msgspec.Struct, frozen=True):
    """Packets with this source are routed by a table. `protocol` names who made the rule."""

    source: IPAddress
    table: int
    preference: int
    protocol: int


def _family(version: int) -> int:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def replace_route(route: TableRoute) -> Request:
    """Make this the route of its table, destination and kind."""
    return Request(_RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, _route(route), f"add route {route.destination}")


def delete_route(route: TableRoute) -> Request:
    """Remove it. No error if it does not exist."""
    return Request(_RTM_DELROUTE, 0, _route(route), f"remove route {route.destination}", _GONE)


def _route(route: TableRoute) -> bytes:
    head = _ROUTE.pack(
        _family(route.destination.version),
        route.destination.prefixlen,
        0,
        0,
        0,
        route.protocol,
        0,
        KINDS[route.kind],
        _RTNH_F_ONLINK if route.link else 0,
    )
    body = head + attribute(_RTA_DST, route.destination.network_address.packed)
    body += number(_RTA_TABLE, route.table) + number(_RTA_PRIORITY, _METRICS[route.kind])
    if route.link:
        body += number(_RTA_OIF, route.link)
    if route.gateway is not None:
        body += attribute(_RTA_GATEWAY, route.gateway.packed)
    return body


def table_routes(netlink: Netlink, protocol: int) -> Iterator[TableRoute]:
    """Return the routes that this protocol made in all tables, both families. Raises NetlinkError."""
    kinds = {number: kind for kind, number in KINDS.items()}
    for version in (4, 6):
        for payload in netlink.dump(_RTM_GETROUTE, _ROUTE.pack(_family(version), 0, 0, 0, 0, protocol, 0, 0, 0)):
            _, length, _, _, table, made_by, _, kind, flags = _ROUTE.unpack_from(payload)
            found = attributes(payload, _ROUTE.size)
            if made_by != protocol or kind not in kinds:
                continue
            raw = found.get(_RTA_DST, bytes(4 if version == 4 else 16))
            gateway = found.get(_RTA_GATEWAY)
            yield TableRoute(
                _number(found, _RTA_TABLE, table),
                ipaddress.ip_network((raw, length)),
                protocol,
                kinds[kind],
                None if gateway is None else ipaddress.ip_address(gateway),
                _number(found, _RTA_OIF, 0) if flags & _RTNH_F_ONLINK else 0,
            )


def add_rule(rule: SourceRule) -> Request:
    """Route by the table from now on. No error if the rule exists."""
    flags = NLM_F_CREATE | _NLM_F_EXCL
    return Request(_RTM_NEWRULE, flags, _rule(rule), f"add rule from {rule.source}", frozenset({errno.EEXIST}))


def replace_local(version: int, table: int, protocol: int, loopback: int) -> Request:
    """Let a table deliver all packets of an IP version on this machine; `loopback` is the index of its link."""
    body = _local(version, table, protocol, loopback)
    return Request(_RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, body, f"add local route of table {table}")


def delete_local(version: int, table: int, protocol: int, loopback: int) -> Request:
    """Remove it. No error if it does not exist."""
    body = _local(version, table, protocol, loopback)
    return Request(_RTM_DELROUTE, 0, body, f"remove local route of table {table}", _GONE)


def _local(version: int, table: int, protocol: int, loopback: int) -> bytes:
    head = _ROUTE.pack(_family(version), 0, 0, 0, 0, protocol, _RT_SCOPE_HOST, _RTN_LOCAL, 0)
    return head + number(_RTA_TABLE, table) + number(_RTA_OIF, loopback)


def add_mark_rule(version: int, mark: int, table: int, preference: int, protocol: int) -> Request:
    """Route packets with these bits of the mark by the table from now on. No error if the rule exists."""
    flags = NLM_F_CREATE | _NLM_F_EXCL
    return Request(
        _RTM_NEWRULE,
        flags,
        _mark_rule(version, mark, table, preference, protocol),
        f"add rule of mark {mark:#x}",
        frozenset({errno.EEXIST}),
    )


def delete_mark_rule(version: int, mark: int, table: int, preference: int, protocol: int) -> Request:
    """Remove it. No error if it does not exist."""
    body = _mark_rule(version, mark, table, preference, protocol)
    return Request(_RTM_DELRULE, 0, body, f"remove rule of mark {mark:#x}", _GONE)


def _mark_rule(version: int, mark: int, table: int, preference: int, protocol: int) -> bytes:
    head = _RULE.pack(_family(version), 0, 0, 0, 0, 0, 0, _FR_ACT_TO_TBL, 0)
    body = head + number(_FRA_MARK, mark) + number(_FRA_MARK_MASK, mark) + number(_FRA_PRIORITY, preference)
    return body + number(_FRA_TABLE, table) + attribute(_FRA_PROTOCOL, bytes((protocol,)))


def delete_rule(rule: SourceRule) -> Request:
    """Remove it. No error if it does not exist."""
    return Request(_RTM_DELRULE, 0, _rule(rule), f"remove rule from {rule.source}", _GONE)


def _rule(rule: SourceRule) -> bytes:
    head = _RULE.pack(_family(rule.source.version), 0, rule.source.max_prefixlen, 0, 0, 0, 0, _FR_ACT_TO_TBL, 0)
    body = head + attribute(_FRA_SRC, rule.source.packed) + number(_FRA_PRIORITY, rule.preference)
    return body + number(_FRA_TABLE, rule.table) + attribute(_FRA_PROTOCOL, bytes((rule.protocol,)))


def source_rules(netlink: Netlink, protocol: int) -> Iterator[SourceRule]:
    """Return the rules that this protocol made, both families. Raises NetlinkError."""
    for version in (4, 6):
        for payload in netlink.dump(_RTM_GETRULE, _RULE.pack(_family(version), 0, 0, 0, 0, 0, 0, 0, 0)):
            found = attributes(payload, _RULE.size)
            if found.get(_FRA_PROTOCOL, b"\0")[0] != protocol or _FRA_SRC not in found:
                continue
            source = ipaddress.ip_address(found[_FRA_SRC])
            yield SourceRule(source, _number(found, _FRA_TABLE, 0), _number(found, _FRA_PRIORITY, 0), protocol)


def _number(found: dict[int, bytes], kind: int, default: int) -> int:
    return int.from_bytes(found[kind][:4], sys.byteorder) if kind in found else default
