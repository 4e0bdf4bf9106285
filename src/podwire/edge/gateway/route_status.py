"""The status of a route of any kind: one entry for each reference to a parent of a controller. Pure.

Source: gateway-api v1.6.3 `shared_types.go` (RouteStatus).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol

import msgspec

from podwire.edge.gateway.attached_listeners import Problem
from podwire.edge.gateway.backends import Unresolved
from podwire.edge.gateway.conditions import changed, condition, merged
from podwire.edge.gateway.entries_of_status import with_entries
from podwire.edge.gateway.kinds.http_route import RouteStatus
from podwire.edge.gateway.kinds.references import ParentReference
from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import ObjectMeta

LONGEST = 32
"""Entries that a status can have."""


class RouteOfStatus(Protocol):
    """A route of any kind."""

    @property
    def metadata(self) -> ObjectMeta:
        """Its metadata."""

    @property
    def status(self) -> RouteStatus:
        """Its status."""


class Attached(Protocol):
    """A reference of a route to a parent."""

    @property
    def reference(self) -> ParentReference:
        """As it is written."""

    @property
    def reason(self) -> str:
        """`Accepted`, or why it is not attached."""

    @property
    def message(self) -> str:
        """What is wrong, with the remedy."""


class Verdict(msgspec.Struct, frozen=True):
    """What the rules of a route come to.

    Attributes:
        refused: reason of Accepted=False whatever the parent is; empty where the rules can be served.
        message: why, with field and remedy.
        dropped: the rules that are left out, and why; empty for none.
        unresolved: references to backends that resolve to nothing.

    """

    refused: str = ""
    message: str = ""
    dropped: str = ""
    unresolved: tuple[Unresolved, ...] = ()


def route_status(
    item: RouteOfStatus, found: Iterable[Attached], verdict: Verdict, now: datetime, controller: str = CONTROLLER_NAME
) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a route; entries of other controllers stay."""
    parents = item.status.parents
    ours = {_name(one.parent_ref): one.conditions for one in parents if one.controller_name == controller}
    generation = item.metadata.generation
    entries = {
        _name(one.reference): {
            "parentRef": msgspec.to_builtins(one.reference),
            "controllerName": controller,
            "conditions": merged(ours.get(_name(one.reference), ()), _conditions(one, verdict), generation, now),
        }
        for one in found
    }
    parents_now = with_entries(parents, controller, lambda one: _name(one.parent_ref), entries)
    return changed(item.status, {"parents": parents_now[:LONGEST]})


def _conditions(one: Attached, verdict: Verdict) -> Iterator[Problem]:
    attached = one.reason == "Accepted"
    if attached and verdict.refused:
        yield condition("Accepted", False, verdict.refused, verdict.message)
    else:
        yield condition("Accepted", attached, one.reason, one.message)
    if verdict.unresolved:
        messages = "; ".join(each.message for each in verdict.unresolved)
        yield condition("ResolvedRefs", False, verdict.unresolved[0].reason, messages)
    else:
        yield condition("ResolvedRefs", True, "ResolvedRefs")
    if attached and not verdict.refused and verdict.dropped:
        yield condition("PartiallyInvalid", True, "UnsupportedValue", verdict.dropped)


def _name(reference: Any) -> bytes:
    return msgspec.json.encode(reference)
