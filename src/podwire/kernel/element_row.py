"""A row of the engine that is one element of a set or map, where elements are independent of each other."""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from podwire.kernel.elements import Change, Element, Part


class ElementRow(msgspec.Struct, frozen=True):
    """An element of a set, or of a map where it has a value."""

    collection: str
    parts: tuple[Part, ...]
    value: tuple[Part, ...] = ()

    @property
    def key(self) -> Hashable:
        """Set and element."""
        return (self.collection, self.parts)

    @property
    def stage(self) -> int:
        """The elements are independent of each other."""
        return 0

    @property
    def element(self) -> Element:
        """As nftables takes it."""
        return Element(self.collection, self.parts, self.value)

    def __str__(self) -> str:
        return f"{self.collection} {self.element.text}"


def element_change(rows: tuple[ElementRow | None, ElementRow | None]) -> Change:
    """The elements of a row before and after a change."""
    old, new = rows
    return (() if old is None else (old.element,)), (() if new is None else (new.element,))
