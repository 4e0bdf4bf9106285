"""Conditions of a status. Pure. Source: k8s.io/apimachinery `api/meta/conditions.go`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from podwire.kube.meta import Condition, timestamp

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def with_condition(conditions: Iterable[Condition], new: Condition, now: datetime) -> tuple[Condition, ...]:
    """The conditions with this one in place of the one of its type, or at the end.

    The transition time changes with the status only.
    """
    before = tuple(conditions)
    old = next((one for one in before if one.type == new.type), None)
    same = old is not None and old.status == new.status and old.last_transition_time
    stamped = Condition(
        type=new.type,
        status=new.status,
        reason=new.reason,
        message=new.message,
        observed_generation=new.observed_generation,
        last_transition_time=old.last_transition_time if same and old is not None else timestamp(now),
    )
    if old is None:
        return (*before, stamped)
    return tuple(stamped if one.type == new.type else one for one in before)


def written(one: Condition) -> dict[str, Any]:
    """Return a condition as it is sent: reason and message are required also where they are empty."""
    return {**msgspec.to_builtins(one), "reason": one.reason, "message": one.message}
