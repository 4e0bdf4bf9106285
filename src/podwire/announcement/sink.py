"""Rows to the kernel: proxy neighbours, and for IPv4 the routes that make it answer for them.

The kernel goes on answering when this process ends. Both kinds of entry are marked with a protocol number, by which
they are read back; all others are left alone.
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from podwire.announcement.rows import ProxyRow
from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import links, proxy_neighbours, routes, sysctl
from podwire.kernel.netlink import Netlink, Request
from podwire.kernel.proxy_neighbours import ProxyNeighbour
from podwire.kernel.routes import Route
from podwire.kernel.sysctl_record import WriteSysctls
from podwire.kernel.worker import Worker
from podwire.kube.addresses import IPAddress

PROTOCOL = 114
"""Marks routes and proxy neighbours of announced addresses (rtnetlink(7), rtm_protocol)."""
_LOOPBACK = 1
"""The index of `lo` in every network namespace."""


class Signals(Protocol):
    """Reports to the hosts of a link that an address has come to this node."""

    def announce(self, rows: Collection[ProxyRow]) -> None:
        """These addresses are answered for here from now on."""
        ...

    def withdraw(self, rows: Collection[ProxyRow]) -> None:
        """These are not any more."""
        ...


class ProxySink:
    """The announced addresses of the network namespace that this thread is in now."""

    def __init__(self, signals: Signals, write_sysctls: WriteSysctls = sysctl.write, protocol: int = PROTOCOL) -> None:
        self.gained = self.lost = 0
        """How often an address came to this node, and left it."""
        self._signals = signals
        self._write_sysctls = write_sysctls
        self._protocol = protocol
        self._worker = Worker("announcement")

    async def read(self) -> Iterable[ProxyRow]:
        """Return the entries that are ours. Raises SinkError."""
        return await self._worker.run(_read, self._protocol)

    async def write(self, delta: Delta[ProxyRow]) -> None:
        """Remove what is replaced, add, remove. One refused entry stops no other; then SinkError names the first."""
        await self._worker.run(_write, delta, self._write_sysctls, self._protocol)
        self._signals.announce(delta.upserts)
        self._signals.withdraw(delta.removals)
        self.gained += len(delta.upserts) - len(delta.replaced)
        self.lost += len(delta.removals)


def _read(protocol: int) -> list[ProxyRow]:
    try:
        with Netlink() as netlink:
            names = {link.index: link.name for link in links.links(netlink)}
            routed = {route.destination.network_address for route in routes.routes(netlink, 4, protocol)}
            found: dict[object, ProxyRow] = {address: ProxyRow(address, "") for address in routed}
            seen: set[IPAddress] = set()
            for entry in proxy_neighbours.proxy_neighbours(netlink, protocol):
                whole = entry.address not in seen and (entry.address.version == 6 or entry.address in routed)
                seen.add(entry.address)  # again means on a second link
                name = names.get(entry.link, "") if whole else ""
                found[entry.address] = ProxyRow(entry.address, name)
    except OSError as error:
        raise SinkError(f"reading announced addresses back: {error}") from error
    return list(found.values())


def _write(delta: Delta[ProxyRow], write_sysctls: WriteSysctls, protocol: int) -> None:
    try:
        with Netlink() as netlink:
            indices = {link.name: link.index for link in links.links(netlink)}
            for name in sorted({row.link for row in delta.upserts} & indices.keys()):
                write_sysctls(_prompt(name))
            requests = [request for row in delta.replaced for request in _remove(row, indices, protocol)]
            requests += [request for row in delta.upserts for request in _add(row, indices, protocol)]
            requests += [request for row in delta.removals for request in _remove(row, indices, protocol)]
            refused = netlink.attempt(requests)
    except OSError as error:
        raise SinkError(f"announced addresses: {error}") from error
    if refused:
        raise SinkError(f"{refused[0]}; {len(refused)} of {len(requests)} changes of announced addresses were refused")


def _prompt(link: str) -> dict[str, int | str]:
    """Parameters of a link that answers at once: by default the kernel delays the answers of a proxy by up to 0.8 s."""
    return {
        f"net/ipv4/neigh/{link}/proxy_delay": 0,
        f"net/ipv6/neigh/{link}/proxy_delay": 0,
        f"net/ipv6/conf/{link}/proxy_ndp": 1,
    }


def _add(row: ProxyRow, indices: dict[str, int], protocol: int) -> Iterator[Request]:
    if row.link not in indices:
        raise OSError(errno.ENODEV, f"link {row.link} of {row.address} does not exist")
    yield proxy_neighbours.replace(ProxyNeighbour(indices[row.link], row.address, protocol))
    yield from map(routes.replace_route, _routes(row, protocol))


def _remove(row: ProxyRow, indices: dict[str, int], protocol: int) -> Iterator[Request]:
    """Of an entry that is there in part the link is not known: any link may have it."""
    yield from map(routes.delete_route, _routes(row, protocol))
    for name, index in indices.items():
        if row.link in {"", name}:
            yield proxy_neighbours.delete(ProxyNeighbour(index, row.address, protocol))


def _routes(row: ProxyRow, protocol: int) -> Iterator[Route]:
    """ARP is answered for an address only where its route leads through another link than the request came by."""
    if row.address.version == 4:
        yield Route(ipaddress.ip_network(row.address), protocol, link=_LOOPBACK)
