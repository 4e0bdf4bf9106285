"""The objects that a row comes from: those of its source, and the routes of its parts. Pure."""

from __future__ import annotations

from collections.abc import Hashable

from podwire.edge.envoy.rows import Row
from podwire.edge.gateway.owners import Owner, owner
from podwire.edge.model.listeners import Listener, StreamChain
from podwire.edge.model.routes import RouteName, VirtualHost
from podwire.kube.meta import NamespacedName


def owner_of(source: Hashable) -> Owner | None:
    """Return the object of a source of rows: a Gateway or one of its ports, or a route in a Gateway."""
    first = source[0] if isinstance(source, tuple) and source else source
    if isinstance(first, NamespacedName):
        return owner("Gateway", first)
    return first if isinstance(first, Owner) else None


def routes_of(row: Row | None) -> dict[Owner, list[object]]:
    """Return the parts of a row by the route that each comes from."""
    found: dict[Owner, list[object]] = {}
    if isinstance(row, VirtualHost):
        for route in row.routes:
            found.setdefault(_of(route.name), []).append(route)
    elif isinstance(row, Listener):
        for chain in row.chains:
            if isinstance(chain.action, StreamChain) and chain.action.route is not None:
                found.setdefault(_of(chain.action.route.name), []).append(chain)
    return found


def _of(name: RouteName) -> Owner:
    return Owner(name.kind, name.namespace, name.name)
