"""The status of one listener, of a Gateway or of a ListenerSet. Pure. Source: gateway-api v1.6.3 `gateway_types.go`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from podwire.edge.gateway.attached_listeners import ListenerState, Problem
from podwire.edge.gateway.conditions import condition, merged
from podwire.edge.gateway.kinds.gateway import ListenerStatus
from podwire.kube.gateway_api import GROUP


class ServedListener(msgspec.Struct, frozen=True):
    """A listener with what is known of it at run time.

    Attributes:
        routes: how many are attached.
        pending: why the proxy does not serve it yet; empty where it does.
        refusal: why an Envoy refuses it; empty where none does.

    """

    state: ListenerState
    routes: int = 0
    pending: str = ""
    refusal: str = ""

    @property
    def is_valid(self) -> bool:
        """Whether the proxy gets it and does not refuse it."""
        return self.state.is_usable and not self.refusal


def entries(
    listeners: Iterable[ServedListener], before: Iterable[ListenerStatus], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Return the status of each listener, of the generation of the object that has them."""
    known = {one.name: one.conditions for one in before}
    return [
        {
            "name": one.state.name,
            "supportedKinds": [{"group": GROUP, "kind": kind} for kind in one.state.kinds],
            "attachedRoutes": one.routes,
            "conditions": merged(known.get(one.state.name, ()), _conditions(one), generation, now),
        }
        for one in listeners
    ]


def _conditions(one: ServedListener) -> Iterator[Problem]:
    problems = {each.type: each for each in one.state.problems}
    good = (
        condition("Accepted", True, "Accepted"),
        condition("ResolvedRefs", True, "ResolvedRefs"),
        condition("Conflicted", False, "NoConflicts"),
    )
    yield _programmed(one)
    yield from ({each.type: each for each in good} | problems).values()


def _programmed(one: ServedListener) -> Problem:
    conflict = one.state.problem("Conflicted")
    if conflict is not None:
        return condition("Programmed", False, conflict.reason, conflict.message)
    if not one.state.is_usable:
        return condition("Programmed", False, "Invalid", "see its other conditions")
    if one.refusal:
        return condition("Programmed", False, "Invalid", f"Envoy refuses it: {one.refusal}")
    if one.pending:
        return condition("Programmed", False, "Pending", one.pending)
    return condition("Programmed", True, "Programmed")
