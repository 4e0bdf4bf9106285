"""The cache of a controller: what its informer has received plus what this process has written since.

Without own writes a controller that is quicker than its watch would create a pod twice or delete a second one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from podwire.kube.meta import NamespacedName, Object, timestamp
from podwire.kube.watch import Change

if TYPE_CHECKING:
    from podwire.kube.informer import Informer

ObjectT = TypeVar("ObjectT", bound=Object)

log = logging.getLogger(__name__)


class Store(Generic[ObjectT]):
    """The newest known state of all objects of one kind.

    The server numbers all writes with one counter, so of two states of an object the one with the higher
    resourceVersion is the newer one; an own write that the informer has passed without an event is a deleted object.
    """

    def __init__(self, informer: Informer[ObjectT]) -> None:
        self.objects: dict[NamespacedName, ObjectT] = {}
        self.informer = informer
        self._own_writes: dict[NamespacedName, int] = {}
        self._deleting: set[str] = set()
        self._listeners: list[Callable[[Change[ObjectT]], None]] = []
        informer.subscribe(self._on_change)

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Call the listener for each change from now on, and now for each known object as a new one.

        A listener that raises is logged with the name of the object; all others still receive the change.
        """
        self._listeners.append(listener)
        for item in list(self.objects.values()):
            _call(listener, Change(None, item))

    def clear(self) -> None:
        """Report all objects as removed and end all subscriptions, for a kind that is no longer served."""
        for item in list(self.objects.values()):
            self._remove(item)
        self._listeners.clear()
        self._own_writes.clear()

    def wrote(self, item: ObjectT) -> ObjectT:
        """Add the object that the server returned for a write of this process; return it."""
        version = int(item.metadata.resource_version)
        if version > self.informer.version:
            self._own_writes[item.key] = version
            self._update(item)
        return item

    def deleted(self, item: ObjectT) -> None:
        """Count the object as being deleted until the informer reports otherwise: the server accepted a DELETE."""
        current = self.objects.get(item.key)
        if current is not None and current.metadata.uid == item.metadata.uid and not _is_deleting(current):
            self._deleting.add(item.metadata.uid)
            self._put(current)

    def expire(self) -> None:
        """Remove own writes of objects that were deleted before the informer could receive them."""
        for key, version in list(self._own_writes.items()):
            if version <= self.informer.version:
                del self._own_writes[key]
                if key not in self.informer.objects and key in self.objects:
                    self._remove(self.objects[key])

    def _on_change(self, change: Change[ObjectT]) -> None:
        if change.new is not None:
            self._update(change.new)
        elif change.old is not None:
            self._on_delete(change.old)

    def _on_delete(self, old: ObjectT) -> None:
        self._deleting.discard(old.metadata.uid)
        current = self.objects.get(old.key)
        if current is not None and current.metadata.uid == old.metadata.uid:
            self._own_writes.pop(old.key, None)
            self._remove(current)

    def _update(self, new: ObjectT) -> None:
        old = self.objects.get(new.key)
        if old is None or int(old.metadata.resource_version) < int(new.metadata.resource_version):
            self._put(new)

    def _put(self, new: ObjectT) -> None:
        if _is_deleting(new):
            self._deleting.discard(new.metadata.uid)
        elif new.metadata.uid in self._deleting:
            new = _as_deleting(new)
        old = self.objects.get(new.key)
        self.objects[new.key] = new
        self._notify(Change(old, new))

    def _remove(self, old: ObjectT) -> None:
        del self.objects[old.key]
        self._notify(Change(old, None))

    def _notify(self, change: Change[ObjectT]) -> None:
        for listener in self._listeners:
            _call(listener, change)


def _call(listener: Callable[[Change[ObjectT]], None], change: Change[ObjectT]) -> None:
    """Pass one change to one listener; one object that it cannot handle stops nothing else."""
    try:
        listener(change)
    except Exception:
        item = change.new or change.old
        log.exception("%s %s: a listener failed", type(item).__name__, changed_key(change))


def _is_deleting(item: Object) -> bool:
    return item.metadata.deletion_timestamp is not None


def _as_deleting(item: ObjectT) -> ObjectT:
    metadata = msgspec.structs.replace(item.metadata, deletion_timestamp=timestamp(datetime.now(UTC)))
    return msgspec.structs.replace(item, metadata=metadata)


class Source(Protocol[ObjectT]):
    """A source of changes: an informer or a store."""

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Call the listener for every known object and for every change from now on."""
        ...


class Index(Generic[ObjectT]):
    """The objects of a source by keys computed from them, such as their owner or each of their labels."""

    def __init__(self, source: Source[ObjectT], keys: Callable[[ObjectT], Iterable[Hashable]]) -> None:
        self._keys = keys
        self._found: dict[Hashable, dict[NamespacedName, ObjectT]] = {}
        source.subscribe(self._on_change)

    def __getitem__(self, key: Hashable) -> Mapping[NamespacedName, ObjectT]:
        """Return the objects under a key; the mapping changes with the source, so do not keep it."""
        return self._found.get(key, {})

    def _on_change(self, change: Change[ObjectT]) -> None:
        if change.old is not None:
            self._remove(change.old)
        if change.new is not None:
            for key in self._keys(change.new):
                self._found.setdefault(key, {})[change.new.key] = change.new

    def _remove(self, old: ObjectT) -> None:
        for key in self._keys(old):
            found = self._found.get(key, {})
            found.pop(old.key, None)
            if not found:
                self._found.pop(key, None)


def changed_key(change: Change[ObjectT]) -> NamespacedName:
    """Return the name of the object that a change is about."""
    item = change.item
    return item.key


def controller_uid(item: Object) -> str:
    """Return the uid of the owner that is the object's controller; empty where it has none."""
    return next((owner.uid for owner in item.metadata.owner_references if owner.controller), "")


def label_keys(item: Object) -> Iterable[Hashable]:
    """Return the index keys by which `selected` finds an object: its namespace, and that with each of its labels."""
    namespace = item.metadata.namespace
    yield namespace
    for label, value in item.metadata.labels.items():
        yield namespace, label, value


def selected(index: Index[ObjectT], namespace: str, desired: Mapping[str, str]) -> Iterable[ObjectT]:
    """Return the objects of a label index that have all desired labels; reads only those with the rarest one."""
    candidates = min((index[namespace, label, value] for label, value in desired.items()), key=len, default=None)
    for item in (index[namespace] if candidates is None else candidates).values():
        labels = item.metadata.labels
        if all(labels.get(label) == value for label, value in desired.items()):
            yield item
