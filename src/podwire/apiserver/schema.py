"""The schemas of the served kinds, from packed package data (see data/README.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from podwire.apiserver.resources import Resource


class Schema:
    """One JSON value's schema."""


class MergeRules(Protocol):
    """How strategic merge patch treats one JSON object. Follow it property by property."""

    def child(self, name: str) -> ListRule | MergeRules | None:
        """The rule of a property: a ListRule for lists, MergeRules for objects and maps, None for everything else."""
        ...

    @property
    def retain_keys(self) -> bool:
        """Whether the patch strategy names retainKeys: keys that `$retainKeys` does not list are dropped."""
        ...


@dataclass(frozen=True, slots=True)
class ListRule:
    """How strategic merge patch treats a list: replaced whole unless `merge`.

    Lists of objects merge by `merge_key`; lists of plain values (merge_key empty) merge as sets.
    `items` are the rules of the objects in the list.
    """

    merge: bool = False
    merge_key: str = ""
    items: MergeRules | None = None


def merge_rules(resource: Resource) -> MergeRules:
    """The strategic merge rules of a kind's objects."""
    raise LookupError(resource.kind)
