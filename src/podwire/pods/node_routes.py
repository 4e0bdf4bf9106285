"""The ways to other nodes' pods in the kernel: routes, and the VXLAN device with its neighbours."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence

from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import links, routes, sysctl
from podwire.kernel.links import Link, Vxlan
from podwire.kernel.netlink import Netlink, NetlinkError, Request
from podwire.kernel.routes import Forwarding, Neighbour, Route
from podwire.pods.rows import TUNNEL, ForwardingRow, NeighbourRow, NodeRouteRow, RouteRow, TunnelAddressRow, TunnelRow

ROUTE_PROTOCOL = 112
"""Marks the routes that are this sink's (rtnetlink(7), rtm_protocol); all others are left alone."""

_TUNNEL_END = {
    f"net/ipv6/conf/{TUNNEL}/addr_gen_mode": 1,
    f"net/ipv6/conf/{TUNNEL}/accept_ra": 0,
    f"net/ipv6/conf/{TUNNEL}/accept_redirects": 0,
    f"net/ipv4/conf/{TUNNEL}/accept_redirects": 0,
    f"net/ipv4/conf/{TUNNEL}/send_redirects": 0,
    # Loose: while nodes change their mode, what comes through the tunnel may have its answer sent directly.
    f"net/ipv4/conf/{TUNNEL}/rp_filter": 2,
}


def remove_tunnel() -> None:
    """Remove the VXLAN device of this network namespace, as before rules that do not guard it. Raises OSError."""
    with Netlink() as netlink:
        netlink.run([links.delete(TUNNEL)])


class NodeRouteSink:
    """Routes and tunnel of the network namespace that this thread is in."""

    async def read(self) -> Iterable[NodeRouteRow]:
        """Return all that is ours: routes by their protocol number, the tunnel by its name."""
        try:
            with Netlink() as netlink:
                return list(_standing(netlink))
        except OSError as error:
            raise SinkError(f"reading routes back: {error}") from error

    async def write(self, delta: Delta[NodeRouteRow]) -> None:
        """Make and remove. One refused row does not stop the others; then SinkError names the first."""
        try:
            with Netlink() as netlink:
                desired = next((row for row in delta.upserts if isinstance(row, TunnelRow)), None)
                tunnel, renewed = _make_tunnel(netlink, desired)
                before = {row.key: row for row in delta.replaced}
                requests: list[Request] = []
                for row in delta.upserts:
                    requests += (*_clear(before.get(row.key), tunnel), *_upsert(row, tunnel))
                requests += [request for row in delta.removals for request in _remove(row, tunnel)]
                refused = netlink.attempt(requests)
        except OSError as error:
            raise SinkError(str(error)) from error
        if refused:
            raise SinkError(_refusal(refused, len(requests)))
        if renewed:
            raise SinkError(
                f"{TUNNEL} was made again with other settings; its addresses, neighbours and routes must follow"
            )


def _refusal(refused: Sequence[NetlinkError], requests: int) -> str:
    """The error of a batch, with the remedy where a node is not on the link."""
    first = refused[0]
    text = f"{first}; {len(refused)} of {requests} changes of routes were refused"
    if first.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        text += "; a node that is not on this node's link needs --overlay routed, cross-subnet or vxlan"
    return text


def _standing(netlink: Netlink) -> Iterator[NodeRouteRow]:
    tunnel = links.find(netlink, TUNNEL)
    if tunnel is not None:
        if tunnel.vxlan is not None:
            device = tunnel.vxlan
            yield TunnelRow(device.identifier, device.port, device.local, tunnel.mac, tunnel.mtu)
        for entry in links.addresses(netlink):
            if entry.link == tunnel.index:
                yield TunnelAddressRow(entry.address)
        for neighbour in routes.neighbours(netlink, tunnel.index):
            yield NeighbourRow(neighbour.address, neighbour.mac)
        for forwarding in routes.forwardings(netlink, tunnel.index):
            yield ForwardingRow(forwarding.mac, forwarding.address)
    for version in (4, 6):
        for route in routes.routes(netlink, version, ROUTE_PROTOCOL):
            through = tunnel is not None and route.link == tunnel.index
            link = route.link if route.onlink and not through else 0
            yield RouteRow(route.destination, route.gateway, through, route.source, link)


def _make_tunnel(netlink: Netlink, desired: TunnelRow | None) -> tuple[Link | None, bool]:
    """The tunnel device, as it is desired and up; and whether one with other settings had to go for it."""
    tunnel = links.find(netlink, TUNNEL)
    if desired is None:
        return tunnel, False
    device = Vxlan(desired.identifier, desired.port, desired.local)
    if tunnel is not None and (tunnel.vxlan, tunnel.mac) == (device, desired.mac):
        netlink.run([links.set_mtu(TUNNEL, desired.mtu), links.bring_up(TUNNEL)])
        return tunnel, False
    netlink.run([links.delete(TUNNEL), links.vxlan(TUNNEL, desired.mac, desired.mtu, device)])
    sysctl.write(_TUNNEL_END)
    netlink.run([links.bring_up(TUNNEL)])
    return links.find(netlink, TUNNEL), tunnel is not None


def _clear(row: NodeRouteRow | None, tunnel: Link | None) -> Iterator[Request]:
    """The old way that goes first: IPv6 refuses a gateway in the tunnel while a route leads to it elsewhere.

    The new one follows at once. IPv4 routes are replaced without a gap.
    """
    if isinstance(row, RouteRow) and row.gateway is not None and not row.tunnel and row.destination.version == 6:
        yield from _remove(row, tunnel)


def _upsert(row: NodeRouteRow, tunnel: Link | None) -> Iterator[Request]:
    index = tunnel.index if tunnel else 0
    match row:
        case TunnelAddressRow():
            yield links.add_address(index, row.address)
        case NeighbourRow():
            yield routes.replace_neighbour(Neighbour(index, row.address, row.mac))
        case ForwardingRow():
            yield routes.replace_forwarding(Forwarding(index, row.mac, row.address))
        case RouteRow():
            yield routes.replace_route(_route(row, index))
        case TunnelRow():
            pass


def _remove(row: NodeRouteRow, tunnel: Link | None) -> Iterator[Request]:
    index = tunnel.index if tunnel else 0
    match row:
        case TunnelAddressRow():
            yield links.delete_address(index, row.address)
        case NeighbourRow():
            yield routes.delete_neighbour(Neighbour(index, row.address, row.mac))
        case ForwardingRow():
            yield routes.delete_forwarding(Forwarding(index, row.mac, row.address))
        case RouteRow():
            yield routes.delete_route(_route(row, index))
        case TunnelRow():
            yield links.delete(TUNNEL)


def _route(row: RouteRow, tunnel: int) -> Route:
    return Route(
        destination=row.destination,
        protocol=ROUTE_PROTOCOL,
        link=tunnel if row.tunnel else row.link,
        gateway=row.gateway,
        source=row.source,
        onlink=row.tunnel or bool(row.link),
    )
