"""The entries of one controller in a list that several controllers write. Pure.

Source: gateway-api v1.6.3 `shared_types.go` (RouteStatus.parents), `policy_types.go` (PolicyStatus.ancestors).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from podwire.kube.conditions import written
from podwire.kube.meta import Condition


class Entry(Protocol):
    """An entry of any controller."""

    @property
    def controller_name(self) -> str:
        """Who writes it."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Its content."""


EntryT = TypeVar("EntryT", bound=Entry)


def with_entries(
    before: Iterable[EntryT],
    controller: str,
    name: Callable[[EntryT], bytes],
    desired: Mapping[bytes, Mapping[str, Any]],
) -> list[Any]:
    """Return the list with the desired entries of a controller, by name, and those of others as they are.

    Each stays at its place: controllers that put their own last would write in turns without end.
    """
    found: list[Any] = []
    left = dict(desired)
    for one in before:
        if one.controller_name != controller:
            conditions = [written(each) for each in one.conditions]
            found.append(msgspec.to_builtins(one) | {"conditions": conditions})
        elif (entry := left.pop(name(one), None)) is not None:
            found.append(entry)
    return [*found, *left.values()]
