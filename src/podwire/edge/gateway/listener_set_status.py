"""The status of a ListenerSet. Pure. Source: gateway-api v1.6.3 `listenerset_types.go`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from podwire.edge.gateway.attached_listeners import Problem
from podwire.edge.gateway.conditions import changed, condition, merged
from podwire.edge.gateway.kinds.listener_set import ListenerSet
from podwire.edge.gateway.listener_status import ServedListener, entries
from podwire.kube.meta import NamespacedName

TYPES = frozenset({"Accepted", "Programmed"})


def is_attached(listeners: Iterable[ServedListener]) -> bool:
    """Whether a ListenerSet with these listeners is accepted: one of them is valid. None: it is not admitted."""
    return any(one.state.is_usable for one in listeners)


def listener_set_status(
    item: ListenerSet,
    listeners: Iterable[ServedListener],
    now: datetime,
    *,
    admitted: bool,
    parent_accepted: bool,
) -> Mapping[str, Any]:
    """Return what is to be merged into the status of a ListenerSet; empty for no change.

    `admitted`: by its Gateway's allowedListeners. `parent_accepted`: whether the Gateway's own spec is in order.
    """
    listeners, generation = tuple(listeners), item.metadata.generation
    gateway = item.spec.parent_ref.key(item.metadata.namespace)
    if not admitted:
        desired = _refused("NotAllowed", f"spec.allowedListeners of Gateway {gateway} does not admit it: change that")
    elif not parent_accepted:
        desired = _refused("ParentNotAccepted", f"Gateway {gateway} is not accepted: see its conditions")
    elif not is_attached(listeners):
        desired = _refused("ListenersNotValid", "no listener is valid: see their conditions")
    else:
        desired = _accepted(listeners, gateway)
    return changed(
        item.status,
        {
            "conditions": merged(item.status.conditions, desired, generation, now, TYPES),
            "listeners": entries(listeners if admitted else (), item.status.listeners, generation, now),
        },
    )


def _refused(reason: str, message: str) -> tuple[Problem, Problem]:
    return condition("Accepted", False, reason, message), condition("Programmed", False, reason, message)


def _accepted(listeners: tuple[ServedListener, ...], gateway: NamespacedName) -> tuple[Problem, Problem]:
    invalid = ", ".join(one.state.name for one in listeners if not one.state.is_usable)
    message = f"not valid: listener {invalid}: see its conditions" if invalid else ""
    accepted = condition("Accepted", True, "ListenersNotValid" if invalid else "Accepted", message)
    valid = [one for one in listeners if one.is_valid]
    if not valid:
        return accepted, condition("Programmed", False, "Invalid", f"Envoys of Gateway {gateway} refuse it")
    pending = next((one.pending for one in valid if one.pending), "")
    return accepted, condition("Programmed", not pending, "Pending" if pending else "Programmed", pending)
