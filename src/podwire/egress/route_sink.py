"""Rows to the kernel: the route tables of gateways, and the rules that lead pods to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.egress.rows import RouteRow, RuleRow, WayRow
from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel import links, policy_routes
from podwire.kernel.netlink import Netlink, Request
from podwire.kernel.policy_routes import SourceRule, TableRoute
from podwire.kernel.worker import Worker

PROTOCOL = 116
"""Marks the routes and rules that are this sink's (rtnetlink(7), rtm_protocol); all others are left alone."""
PREFERENCE = 11300
"""Before the main table (32766), after that of local addresses (0). Source: ip-rule(8)."""


class RouteSink:
    """Routes and rules of the network namespace that this thread is in now."""

    def __init__(self) -> None:
        self._worker = Worker("egress")

    async def read(self) -> Iterable[RouteRow]:
        """Return all that is ours. Raises SinkError."""
        return await self._worker.run(_read)

    async def write(self, delta: Delta[RouteRow]) -> None:
        """Make and remove. One refused row stops no other; then SinkError names the first."""
        await self._worker.run(_write, delta)


def _read() -> list[RouteRow]:
    try:
        with Netlink() as netlink:
            names = {link.index: link.name for link in links.links(netlink)}
            rows: list[RouteRow] = [
                WayRow(one.table, one.destination, one.kind, one.gateway, names.get(one.link, ""))
                for one in policy_routes.table_routes(netlink, PROTOCOL)
            ]
            return [*rows, *(RuleRow(one.source, one.table) for one in policy_routes.source_rules(netlink, PROTOCOL))]
    except OSError as error:
        raise SinkError(f"reading the routes of egress gateways back: {error}") from error


def _write(delta: Delta[RouteRow]) -> None:
    try:
        with Netlink() as netlink:
            indices = {link.name: link.index for link in links.links(netlink)}
            requests = [request for row in delta.upserts for request in _add(row, indices)]
            replaced = (row for row in delta.replaced if isinstance(row, RuleRow))
            requests += [request for row in (*replaced, *delta.removals) for request in _remove(row, indices)]
            refused = netlink.attempt(requests)
    except OSError as error:
        raise SinkError(f"routes of egress gateways: {error}") from error
    if refused:
        raise SinkError(
            f"{refused[0]}; {len(refused)} of {len(requests)} changes of routes of egress gateways were refused; "
            "a gateway node must be on this node's link, or --overlay vxlan"
        )


def _add(row: RouteRow, indices: dict[str, int]) -> Iterator[Request]:
    if isinstance(row, RuleRow):
        yield policy_routes.add_rule(_rule(row))
    else:
        yield policy_routes.replace_route(_route(row, indices))


def _remove(row: RouteRow, indices: dict[str, int]) -> Iterator[Request]:
    if isinstance(row, RuleRow):
        yield policy_routes.delete_rule(_rule(row))
    else:
        yield policy_routes.delete_route(_route(row, indices))


def _rule(row: RuleRow) -> SourceRule:
    return SourceRule(row.source, row.table, PREFERENCE, PROTOCOL)


def _route(row: WayRow, indices: dict[str, int]) -> TableRoute:
    return TableRoute(row.table, row.destination, PROTOCOL, row.kind, row.gateway, indices.get(row.link, 0))
