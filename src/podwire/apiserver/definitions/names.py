"""Names of kinds: two kinds of one group share none, or clients could not distinguish them.

Source: k8s.io/apiextensions-apiserver `pkg/controller/status/naming_controller.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from podwire.apiserver.custom.definition import Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from podwire.apiserver.kinds.resources import Resource

BUILT_IN = "the built-in kinds"


class Claim(msgspec.Struct, frozen=True):
    """The names that one definition has in its group."""

    holder: str
    group: str
    names: Names


class Conflict(msgspec.Struct, frozen=True):
    """A name that another definition has already; `part` is the field of `names`."""

    part: str
    name: str

    @property
    def reason(self) -> str:
        """The text in the condition NamesAccepted."""
        return f"{self.part[0].upper()}{self.part[1:]}Conflict"

    @property
    def message(self) -> str:
        """The text in the condition NamesAccepted."""
        return f'"{self.name}" is already in use'


class Claims:
    """All claims. A name belongs to the first claim."""

    def __init__(self, built_in: Iterable[Resource] = ()) -> None:
        self._built_in = tuple(
            Claim(BUILT_IN, one.group, Names(one.plural, one.kind, one.singular, one.list_kind, one.short_names))
            for one in built_in
            if one.group
        )
        self._claims: dict[str, Claim] = {}

    def conflicts(self, claim: Claim) -> tuple[Conflict, ...]:
        """Return the names of a claim that others have already."""
        others = [one for one in (*self._built_in, *self._claims.values()) if _rivals(one, claim)]
        resources = {name for other in others for _, name in _resource_names(other.names)}
        kinds = {name for other in others for _, name in _kind_names(other.names)}
        found = [Conflict(part, name) for part, name in _resource_names(claim.names) if name in resources]
        return (*found, *(Conflict(part, name) for part, name in _kind_names(claim.names) if name in kinds))

    def get(self, holder: str) -> Claim | None:
        """The current claim of a definition."""
        return self._claims.get(holder)

    def put(self, holder: str, claim: Claim | None) -> None:
        """Set the claim of a definition; None removes it."""
        self._claims.pop(holder, None)
        if claim is not None:
            self._claims[holder] = claim


def _rivals(other: Claim, claim: Claim) -> bool:
    return other.group == claim.group and other.holder != claim.holder


def _resource_names(names: Names) -> Iterator[tuple[str, str]]:
    yield "plural", names.plural
    yield "singular", names.singular
    yield from (("shortNames", name) for name in names.short_names)


def _kind_names(names: Names) -> Iterator[tuple[str, str]]:
    yield "kind", names.kind
    yield "listKind", names.list_kind
