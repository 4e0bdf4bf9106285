"""Conditions of a status that this controller writes: all of one object at once, of one generation. Pure.

Source: gateway-api v1.6.3 `gateway_types.go` (GatewayStatus: conditions of others stay, observedGeneration is set).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from podwire.edge.gateway.attached_listeners import Problem
from podwire.kube.conditions import with_condition, written
from podwire.kube.meta import Condition

LONGEST_MESSAGE = 32768


def condition(type_: str, good: bool, reason: str, message: str = "") -> Problem:
    """Return a condition that is `True` where it is good."""
    return Problem(type_, "True" if good else "False", reason, message)


def merged(
    before: Iterable[Condition],
    desired: Iterable[Problem],
    generation: int,
    now: datetime,
    ours: Collection[str] | None = None,
) -> list[dict[str, Any]]:
    """Return the conditions to write: the desired ones, and those of before whose type is not one of ours.

    `ours`: None: all types. The transition time of one whose status is as before is kept.
    """
    desired = tuple(desired)
    types = {one.type for one in desired}
    found: tuple[Condition, ...] = tuple(
        one for one in before if one.type in types or (ours is not None and one.type not in ours)
    )
    for one in desired:
        new = Condition(
            type=one.type,
            status=one.status,
            reason=one.reason,
            message=one.message[:LONGEST_MESSAGE],
            observed_generation=generation,
        )
        found = with_condition(found, new, now)
    return [written(one) for one in found]


def changed(status: Any, desired: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the desired fields, or nothing where the status has them. A field that is None is removed."""
    merged_fields = {**msgspec.to_builtins(status), **desired}
    left = {name: value for name, value in merged_fields.items() if value is not None}
    return {} if msgspec.convert(left, type(status)) == status else desired
