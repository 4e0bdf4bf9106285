"""HTTPRoutes and GRPCRoutes that meet on a hostname of one listener: only the older one is attached there. Pure.

Source: gateway-api v1.6.3 `grpcroute_types.go`, GRPCRouteSpec.hostnames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from podwire.edge.gateway.attachment import AttachedListener, Attachment
from podwire.edge.gateway.owners import Owner
from podwire.kube.hostnames import wildcards

KINDS = frozenset(("HTTPRoute", "GRPCRoute"))
"""Kinds of routes that must not share a hostname of a listener with the other."""
REASON = "HostnameConflict"


class Contender(msgspec.Struct, frozen=True):
    """A route with its attachments, as if it were alone."""

    owner: Owner
    created: str
    attachments: tuple[Attachment, ...]


class _Taken:
    """The domains that routes of one kind have at one listener, each with the oldest of its routes."""

    def __init__(self) -> None:
        self._at: dict[str, Owner] = {}
        self._below: dict[str, tuple[str, Owner]] = {}
        """By each wildcard a domain that it contains."""

    def add(self, domain: str, route: Owner) -> None:
        self._at.setdefault(domain, route)
        for wildcard in wildcards(domain):
            self._below.setdefault(wildcard, (domain, route))

    def rival(self, domain: str) -> tuple[str, Owner] | None:
        """Return the hosts that a domain has in common with one that is taken, and the route that has them."""
        for one in (domain, *wildcards(domain)):
            if one in self._at:
                return domain, self._at[one]
        return self._below.get(domain)


_Listeners = defaultdict[tuple[Owner, str], _Taken]
"""By the object that has the listener, and the listener's name."""


def settled(routes: Iterable[Contender]) -> Mapping[Owner, tuple[Attachment, ...]]:
    """Return the attachments of all routes of a Gateway, without the listeners where an older route is in the way."""
    taken: dict[str, _Listeners] = {kind: defaultdict(_Taken) for kind in KINDS}
    found = {}
    for route in sorted(routes, key=_age):
        (others,) = KINDS - {route.owner.kind}
        found[route.owner] = tuple(_attachment(one, taken[others]) for one in route.attachments)
        for attachment in found[route.owner]:
            for there in attachment.listeners:
                for domain in there.domains:
                    taken[route.owner.kind][there.state.parent, there.state.name].add(domain, route.owner)
    return found


def _age(route: Contender) -> tuple[str, str, str, str]:
    return route.created, route.owner.namespace, route.owner.name, route.owner.kind


def _attachment(found: Attachment, taken: _Listeners) -> Attachment:
    rivals = [_rival(there, taken) for there in found.listeners]
    if not any(rivals):
        return found
    kept = tuple(there for there, rival in zip(found.listeners, rivals, strict=True) if rival is None)
    if kept:
        return msgspec.structs.replace(found, listeners=kept)
    domain, rival = next(one for one in rivals if one)
    message = f"hostname {domain} is that of {rival.kind} {rival.key}, which is older: use another hostname or kind"
    return Attachment(found.reference, found.gateway, (), REASON, message)


def _rival(there: AttachedListener, taken: _Listeners) -> tuple[str, Owner] | None:
    known = taken.get((there.state.parent, there.state.name))
    return next(filter(None, map(known.rival, there.domains)), None) if known is not None else None
