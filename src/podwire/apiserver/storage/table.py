"""The present objects of one storage, in the order of namespace and name."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from heapq import merge
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from podwire.apiserver.storage.revisions import Event, Key, Stored


class Part(msgspec.Struct, frozen=True):
    """Objects in order, and how many they are."""

    count: int
    objects: Iterator[Stored]


class Table:
    """Objects by key; reads in order cost what they return."""

    def __init__(self) -> None:
        self._objects: dict[Key, Stored] = {}
        self._order: list[Key] = []

    def __len__(self) -> int:
        return len(self._order)

    def get(self, key: Key) -> Stored | None:
        """One object, None where there is none."""
        return self._objects.get(key)

    def set(self, stored: Stored) -> None:
        """Add or replace one object."""
        if stored.key not in self._objects:
            insort(self._order, stored.key)
        self._objects[stored.key] = stored

    def remove(self, key: Key) -> None:
        """Take one object out."""
        del self._objects[key]
        del self._order[bisect_left(self._order, key)]

    def objects(self, namespace: str) -> list[Stored]:
        """All objects, or those of one namespace, in order."""
        if not namespace:
            return [self._objects[key] for key in self._order]
        keys = self._order
        first = bisect_left(keys, namespace, key=_namespace)
        last = bisect_left(keys, f"{namespace}\0", key=_namespace)
        return [self._objects[key] for key in keys[first:last]]

    def part(self, namespace: str, after: Key | None = None, events: Sequence[Event] = ()) -> Part:
        """The objects behind a key, as they were before these events, which are the latest ones, oldest first.

        Costs the events; each object is looked up when it is taken. No await may come between.
        """
        replaced = {event.key: event.old for event in reversed(events)}
        replaced = {key: old for key, old in replaced.items() if _inside(key, namespace, after)}
        first = 0 if not namespace else bisect_left(self._order, namespace, key=_namespace)
        last = len(self._order) if not namespace else bisect_left(self._order, f"{namespace}\0", key=_namespace)
        if after is not None:
            first = max(first, bisect_right(self._order, after))
        count = max(0, last - first) + sum((old is not None) - (key in self._objects) for key, old in replaced.items())
        return Part(count, self._walk(first, last, replaced))

    def _walk(self, first: int, last: int, replaced: dict[Key, Stored | None]) -> Iterator[Stored]:
        present = map(self._order.__getitem__, range(first, last))
        return self._merged(present, replaced) if replaced else map(self._objects.__getitem__, present)

    def _merged(self, present: Iterator[Key], replaced: dict[Key, Stored | None]) -> Iterator[Stored]:
        previous: Key | None = None
        for key in merge(present, sorted(replaced)):
            if key != previous and (found := replaced[key] if key in replaced else self._objects[key]) is not None:
                yield found
            previous = key


def _inside(key: Key, namespace: str, after: Key | None) -> bool:
    return (not namespace or key.namespace == namespace) and (after is None or key > after)


def _namespace(key: Key) -> str:
    return key.namespace
