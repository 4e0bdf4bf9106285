"""Attachments of routes where HTTPRoutes and GRPCRoutes of one Gateway meet; a Gateway with one kind costs nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from podwire.edge.gateway.attachment import Attachment
from podwire.edge.gateway.contested_hostnames import KINDS, Contender, settled
from podwire.edge.gateway.owners import Owner
from podwire.kube.meta import NamespacedName


class Contests:
    """The routes of each Gateway as if they were alone, and what is left of them beside the others."""

    def __init__(self) -> None:
        self._routes: dict[Owner, Contender] = {}
        self._of_gateway: dict[NamespacedName, dict[str, set[Owner]]] = defaultdict(lambda: defaultdict(set))
        self._settled: dict[NamespacedName, dict[Owner, tuple[Attachment, ...]]] = {}
        self._changed: set[NamespacedName] = set()

    def replace(self, route: Owner, created: str, attachments: tuple[Attachment, ...]) -> None:
        """Take the attachments of a route as if it were alone; none: it is gone."""
        old = self._routes.pop(route, None)
        for gateway in _gateways(old.attachments if old else ()):
            self._of_gateway[gateway][route.kind].discard(route)
            self._changed.add(gateway)
        if attachments:
            self._routes[route] = Contender(route, created, attachments)
        for gateway in _gateways(attachments):
            self._of_gateway[gateway][route.kind].add(route)
            self._changed.add(gateway)

    def settle(self) -> set[Owner]:
        """Settle the Gateways of replaced routes; return the routes whose attachments are different by that."""
        different = set()
        for gateway in self._changed:
            old = self._settled.pop(gateway, {})
            new = self._settle(gateway)
            if new:
                self._settled[gateway] = new
            different |= {one for one in old.keys() | new.keys() if old.get(one) != new.get(one)}
        self._changed.clear()
        return different

    def attachments(self, route: Owner) -> tuple[Attachment, ...]:
        """Return where the route is attached beside the others, in the order of its references."""
        found = self._routes.get(route)
        if found is None:
            return ()
        left = {
            gateway: iter(self._settled.get(gateway, {}).get(route, ())) for gateway in _gateways(found.attachments)
        }
        return tuple(next(left[one.gateway], one) for one in found.attachments)

    def _settle(self, gateway: NamespacedName) -> dict[Owner, tuple[Attachment, ...]]:
        """Return the attachments to a Gateway; empty where all of its routes are of one kind."""
        kinds = self._of_gateway[gateway]
        if not all(kinds[kind] for kind in KINDS):
            return {}
        routes = (self._routes[one] for kind in KINDS for one in kinds[kind])
        return dict(settled(_at(one, gateway) for one in routes))


def _gateways(attachments: Iterable[Attachment]) -> set[NamespacedName]:
    return {one.gateway for one in attachments}


def _at(route: Contender, gateway: NamespacedName) -> Contender:
    return msgspec.structs.replace(route, attachments=tuple(one for one in route.attachments if one.gateway == gateway))
