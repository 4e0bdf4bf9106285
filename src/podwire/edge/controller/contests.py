"""Attachments of routes where an HTTPRoute and a GRPCRoute meet on a hostname. A change costs what it overlaps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from podwire.edge.gateway.attachment import Attachment
from podwire.edge.gateway.contested_hostnames import KINDS, Contender, settled
from podwire.edge.gateway.owners import Owner
from podwire.kube.hostnames import wildcards

_Name = tuple[Owner, str, str]
"""A listener, by its object and its name, and a domain."""


class _Names:
    """The domains that routes of one kind have at listeners."""

    def __init__(self) -> None:
        self._at: dict[_Name, set[Owner]] = defaultdict(set)
        self._below: dict[_Name, set[Owner]] = defaultdict(set)
        """By each wildcard that contains the domain."""

    def add(self, route: Contender) -> None:
        for parent, name, domain in _domains(route):
            self._at[parent, name, domain].add(route.owner)
            for wildcard in wildcards(domain):
                self._below[parent, name, wildcard].add(route.owner)

    def remove(self, route: Contender) -> None:
        for parent, name, domain in _domains(route):
            _discard(self._at, (parent, name, domain), route.owner)
            for wildcard in wildcards(domain):
                _discard(self._below, (parent, name, wildcard), route.owner)

    def overlapping(self, route: Contender) -> set[Owner]:
        """Return the routes with a domain that contains one of this route's at a listener, or is contained in one."""
        found: set[Owner] = set()
        for parent, name, domain in _domains(route):
            found |= self._below.get((parent, name, domain), set())
            for one in (domain, *wildcards(domain)):
                found |= self._at.get((parent, name, one), set())
        return found


class Contests:
    """The routes of all Gateways as if they were alone, and what is left of them beside the others."""

    def __init__(self) -> None:
        self._routes: dict[Owner, Contender] = {}
        self._names = {kind: _Names() for kind in KINDS}
        self._left: dict[Owner, tuple[Attachment, ...]] = {}
        """Of the routes that overlap one of the other kind."""
        self._changed: set[Owner] = set()

    def replace(self, route: Owner, created: str, attachments: tuple[Attachment, ...]) -> None:
        """Take the attachments of a route as if it were alone; none: it is gone."""
        old = self._routes.pop(route, None)
        new = Contender(route, created, attachments) if attachments else None
        if new is not None:
            self._routes[route] = new
        if route.kind not in KINDS or old == new:
            return
        if old is not None:
            self._names[route.kind].remove(old)
            self._changed |= self._rivals(old)
        if new is not None:
            self._names[route.kind].add(new)
        self._changed.add(route)

    def settle(self) -> set[Owner]:
        """Settle what the replaced routes overlap; return the other routes whose attachments are different by that."""
        touched = self._connected(self._changed)
        self._changed.clear()
        before = {one: self._left.pop(one, None) for one in touched}
        overlapping = [one for one in touched if one in self._routes and self._rivals(self._routes[one])]
        self._left.update(settled(self._routes[one] for one in overlapping))
        return {one for one in touched if before[one] != self._left.get(one)}

    def alone(self, route: Owner) -> tuple[Attachment, ...]:
        """Return the attachments that `replace` took."""
        found = self._routes.get(route)
        return found.attachments if found is not None else ()

    def attachments(self, route: Owner) -> tuple[Attachment, ...]:
        """Return where the route is attached beside the others, in the order of its references."""
        found = self._routes.get(route)
        return self._left.get(route, found.attachments) if found is not None else ()

    def _rivals(self, route: Contender) -> set[Owner]:
        (other,) = KINDS - {route.owner.kind}
        return self._names[other].overlapping(route)

    def _connected(self, routes: Iterable[Owner]) -> set[Owner]:
        """Return these routes, and all that overlap one of them, directly or by others."""
        found: set[Owner] = set()
        todo = set(routes)
        while todo:
            one = todo.pop()
            found.add(one)
            if one in self._routes:
                todo |= self._rivals(self._routes[one]) - found
        return found


def _domains(route: Contender) -> Iterator[_Name]:
    for attachment in route.attachments:
        for there in attachment.listeners:
            for domain in there.domains:
                yield there.state.parent, there.state.name, domain


def _discard(names: dict[_Name, set[Owner]], name: _Name, route: Owner) -> None:
    names[name].discard(route)
    if not names[name]:
        del names[name]
