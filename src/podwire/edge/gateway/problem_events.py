"""Events about objects of the Gateway API: a warning for each condition that is not in order, when it comes. Pure.

Programmed is left out: it is False for a moment with each change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from podwire.kube.gateway_api import CONTROLLER_NAME
from podwire.kube.meta import Object

PROBLEMS = frozenset(
    (
        ("Accepted", "False"),
        ("ResolvedRefs", "False"),
        ("SupportedVersion", "False"),
        ("Conflicted", "True"),
        ("OverlappingTLSConfig", "True"),
        ("PartiallyInvalid", "True"),
    )
)
"""Types of conditions with the status that is reported."""
LONGEST = 1024
"""Characters of a message (k8s.io/api `events/v1` Event.note)."""


class ProblemEvent(msgspec.Struct, frozen=True, order=True):
    """A warning about an object."""

    reason: str
    message: str


def problem_events(before: Object, after: Object, controller: str = CONTROLLER_NAME) -> tuple[ProblemEvent, ...]:
    """Return the problems in the status of an object as it is now that an earlier state did not have."""
    known = set(_problems(before, controller))
    return tuple(one for one in dict.fromkeys(_problems(after, controller)) if one not in known)


def _problems(item: Object, controller: str) -> Iterator[ProblemEvent]:
    return _in(msgspec.to_builtins(getattr(item, "status", None)), "", controller)


def _in(value: Any, where: str, controller: str) -> Iterator[ProblemEvent]:
    """The problems of a status, of its listeners, and of parents and ancestors of a controller."""
    if isinstance(value, list | tuple):
        for one in value:
            name = f"listener {one['name']}: " if isinstance(one, dict) and "name" in one else ""
            yield from _in(one, name, controller)
    elif isinstance(value, Mapping) and value.get("controllerName", controller) == controller:
        for condition in value.get("conditions", ()):
            if (condition.get("type"), condition.get("status")) in PROBLEMS:
                message = f"{where}{condition.get('message') or condition['type']}"
                yield ProblemEvent(condition.get("reason") or condition["type"], message[:LONGEST])
        for name in ("listeners", "parents", "ancestors"):
            yield from _in(value.get(name, ()), "", controller)
