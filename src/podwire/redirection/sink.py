"""Rows to the kernel: the elements of redirection.nft, which is loaded with the first of them, and the way to Envoy."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import cast

from podwire.engine.element_writes import write_elements
from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import nft_tables, policy_routes, sysctl
from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import IPAddress, Part, Range, transactions
from podwire.kernel.netlink import Netlink, NetlinkError, Request
from podwire.kernel.nftables import Nftables, NftablesError, Transactions
from podwire.kernel.readback import Collection, Elements, Field, held_elements
from podwire.kernel.ruleset import Ruleset
from podwire.kernel.setdump import SetDump
from podwire.kernel.sysctl_record import WriteSysctls
from podwire.kernel.worker import Worker
from podwire.redirection.capture import LAST_PORT, MARK, PROTOCOL, ROUTE_TABLE, RULE_PREFERENCE
from podwire.redirection.rows import identified_rows

TABLE_NAME = "podwire-redirection"
TABLE = f"inet {TABLE_NAME}"
_LOCAL_PORTS = "net/ipv4/ip_local_port_range"
"""Sockets take ports of a range of their own from within this one only. Source: ip(7), IP_LOCAL_PORT_RANGE."""


def _collections() -> Iterator[Collection]:
    for version, field in ((4, Field.IPV4), (6, Field.IPV6)):
        yield Collection(f"enrolled{version}", (field,))
        yield Collection(f"self{version}", (field, field))
        yield Collection(f"peers{version}", (field,))
        yield Collection(f"ranges{version}", (field,), interval=True)


COLLECTIONS = tuple(_collections())
IDENTIFIED = (Collection("identified4", (Field.IPV4,)), Collection("identified6", (Field.IPV6,)))
"""Addresses that Envoy has an identity for, written by the mesh's program of the node."""


def is_loaded() -> bool:
    """Whether the rules are loaded in this network namespace, in any release. Raises NetlinkError."""
    return TABLE in nft_tables.present()


class RedirectionSink:
    """The elements of the network namespace that this thread is in when it is made."""

    def __init__(self, nft: Transactions, elements: Elements, write_sysctls: WriteSysctls) -> None:
        self._nft = nft
        self._elements = elements
        self._write_sysctls = write_sysctls
        self._worker = Worker("redirection", nft.release)

    @classmethod
    def here(cls, write_sysctls: WriteSysctls) -> RedirectionSink:
        """The sink of the network namespace that this thread is in now."""
        return cls(Nftables(), SetDump(), write_sysctls)

    async def read(self) -> Iterable[ElementRow]:
        """The elements. Loads the rules and makes the way to Envoy where they do not exist. Raises SinkError."""
        return await self._worker.run(self._read)

    async def write(self, delta: Delta[ElementRow]) -> None:
        """Add, then remove. Raises SinkError."""
        await self._worker.run(write_elements, self._nft, TABLE, delta)

    async def identified(self) -> frozenset[Part]:
        """Return the addresses that Envoy has an identity for; none without the rules. Raises SinkError."""
        return await self._worker.run(self._identified)

    def _identified(self) -> frozenset[Part]:
        try:
            return frozenset(one.key[0] for one in held_elements(self._elements, TABLE_NAME, IDENTIFIED))
        except NetlinkError as error:
            if error.errno == errno.ENOENT:
                return frozenset()
            raise SinkError(f"reading table {TABLE}: {error}") from error

    def _kept(self) -> str:
        """Return, as text, what another release of the rules holds that is still so with this one."""
        rows = identified_rows(cast("frozenset[IPAddress]", self._identified()))
        return "".join(transactions(TABLE, (((), (row.element,)) for row in rows)))

    def _read(self) -> list[ElementRow]:
        try:
            self._make_way()
            text = resources.files("podwire.redirection").joinpath("redirection.nft").read_text()
            ruleset = Ruleset((TABLE,), text)
            if not ruleset.is_loaded(self._nft):
                ruleset.load(self._nft, self._kept())
            held = held_elements(self._elements, TABLE_NAME, COLLECTIONS)
            return [ElementRow(one.collection, _key(one.collection, one.key)) for one in held]
        except (NftablesError, NetlinkError, OSError) as error:
            raise SinkError(f"table {TABLE} and the route to Envoy: {error}") from error

    def _make_way(self) -> None:
        """Let marked packets be this node's own, and Envoy's connections have source ports above ephemeral ones."""
        first = sysctl.read(_LOCAL_PORTS).split()[0]
        self._write_sysctls({_LOCAL_PORTS: f"{first}\t{LAST_PORT}"})
        with Netlink() as netlink:
            netlink.run(request for version in _versions() for request in _way(version))


def _way(version: int) -> Iterator[Request]:
    loopback = socket.if_nametoindex("lo")
    yield policy_routes.replace_local(version, ROUTE_TABLE, PROTOCOL, loopback)
    yield policy_routes.add_mark_rule(version, MARK, ROUTE_TABLE, RULE_PREFERENCE, PROTOCOL)


def way_removal() -> Iterator[Request]:
    """Yield what removes the route and the rule to Envoy. No error where they do not exist."""
    loopback = socket.if_nametoindex("lo")
    for version in _versions():
        yield policy_routes.delete_mark_rule(version, MARK, ROUTE_TABLE, RULE_PREFERENCE, PROTOCOL)
        yield policy_routes.delete_local(version, ROUTE_TABLE, PROTOCOL, loopback)


def _versions() -> tuple[int, ...]:
    return (4, 6) if os.path.exists("/proc/net/if_inet6") else (4,)


def _key(collection: str, key: tuple[Part, ...]) -> tuple[Part, ...]:
    """A key as rows have it: ranges are networks."""
    return tuple(map(_network, key)) if collection.startswith("ranges") else key


def _network(part: Part) -> Part:
    first, last = (part.first, part.last) if isinstance(part, Range) else (part, part)
    assert isinstance(first, ipaddress.IPv4Address | ipaddress.IPv6Address), "these sets hold addresses"
    return ipaddress.ip_network((first, first.max_prefixlen - (int(last) ^ int(first)).bit_length()))  # type: ignore[arg-type]
