"""The present objects of one storage, in the order of namespace and name."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.apiserver.storage.revisions import Event, Key, Stored


class Table:
    """Objects by key; reads in order cost what they return."""

    def __init__(self) -> None:
        self._objects: dict[Key, Stored] = {}
        self._order: list[Key] = []

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

    def before(self, namespace: str, events: Sequence[Event]) -> list[Stored]:
        """The objects as they were before these events, which are the latest ones, oldest first."""
        objects = {stored.key: stored for stored in self.objects(namespace)}
        for event in reversed(events):
            if event.old is not None:
                objects[event.key] = event.old
            else:
                objects.pop(event.key, None)
        return [objects[key] for key in sorted(objects) if not namespace or key.namespace == namespace]


def _namespace(key: Key) -> str:
    return key.namespace
