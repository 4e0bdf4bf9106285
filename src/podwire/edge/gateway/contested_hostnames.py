"""HTTPRoutes and GRPCRoutes that meet on a hostname of one listener: only the older one is attached there. Pure.

Source: gateway-api v1.6.3 `grpcroute_types.go`, GRPCRouteSpec.hostnames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from podwire.edge.gateway.attached_listeners import ListenerState
from podwire.edge.gateway.attachment import AttachedListener, Attachment
from podwire.edge.gateway.owners import Owner
from podwire.kube.hostnames import intersection

KINDS = frozenset(("HTTPRoute", "GRPCRoute"))
"""Kinds of routes that must not share a hostname of a listener with the other."""
REASON = "HostnameConflict"


class Contender(msgspec.Struct, frozen=True):
    """A route with its attachments, as if it were alone."""

    owner: Owner
    created: str
    attachments: tuple[Attachment, ...]


_Listener = tuple[Owner, str]
_Taken = dict[_Listener, dict[str, Owner]]
"""Of each listener the domains of the routes of one kind, with the oldest route of each."""


def settled(routes: Iterable[Contender]) -> Mapping[Owner, tuple[Attachment, ...]]:
    """Return the attachments of all routes of a Gateway, without the listeners where an older route is in the way."""
    taken: dict[str, _Taken] = {kind: defaultdict(dict) for kind in KINDS}
    found = {}
    for route in sorted(routes, key=_age):
        (others,) = KINDS - {route.owner.kind}
        found[route.owner] = tuple(_attachment(one, taken[others]) for one in route.attachments)
        for attachment in found[route.owner]:
            for there in attachment.listeners:
                known = taken[route.owner.kind][_listener(there.state)]
                for domain in there.domains:
                    known.setdefault(domain, route.owner)
    return found


def _age(route: Contender) -> tuple[str, str, str, str]:
    return route.created, route.owner.namespace, route.owner.name, route.owner.kind


def _attachment(found: Attachment, taken: _Taken) -> Attachment:
    rivals = [_rival(there, taken[_listener(there.state)]) for there in found.listeners]
    if not any(rivals):
        return found
    kept = tuple(there for there, rival in zip(found.listeners, rivals, strict=True) if rival is None)
    if kept:
        return msgspec.structs.replace(found, listeners=kept)
    domain, rival = next(one for one in rivals if one)
    message = f"hostname {domain} is that of {rival.kind} {rival.key}, which is older: use another hostname or kind"
    return Attachment(found.reference, found.gateway, (), REASON, message)


def _rival(there: AttachedListener, taken: Mapping[str, Owner]) -> tuple[str, Owner] | None:
    """Return a domain that is taken with the route that has it; None where none is."""
    for domain in there.domains:
        if domain in taken:
            return domain, taken[domain]
        for other, owner in taken.items():
            if (common := intersection(domain, other)) is not None:
                return common, owner
    return None


def _listener(state: ListenerState) -> _Listener:
    return state.parent, state.name
