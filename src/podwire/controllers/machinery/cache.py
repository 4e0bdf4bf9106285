"""What an informer knows plus what this process has just written: a controller never acts on a view older than itself.

Without this, a controller that is quicker than its watch would create a pod twice or choose a second victim.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from podwire.kube.meta import NamespacedName, Object, timestamp
from podwire.kube.watch import Change

if TYPE_CHECKING:
    from podwire.kube.informer import Informer

ObjectT = TypeVar("ObjectT", bound=Object)


class Store(Generic[ObjectT]):
    """The newest known state of all objects of one kind.

    The server counts all writes with one number, so of two states of an object the one with the higher
    resourceVersion is the newer one, and a written object that the informer passed by without telling is gone.
    """

    def __init__(self, informer: Informer[ObjectT]) -> None:
        self.objects: dict[NamespacedName, ObjectT] = {}
        self.informer = informer
        self._ahead: dict[NamespacedName, int] = {}
        self._ending: set[str] = set()
        self._listeners: list[Callable[[Change[ObjectT]], None]] = []
        informer.subscribe(self._hear)

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Hear of every change from now on; objects that are known already are told as new ones."""
        self._listeners.append(listener)
        for item in list(self.objects.values()):
            listener(Change(None, item))

    def wrote(self, item: ObjectT) -> ObjectT:
        """The server answered a write of ours with this object; answers the object."""
        version = int(item.metadata.resource_version)
        if version > self.informer.version:
            self._ahead[item.key] = version
            self._take(item)
        return item

    def deleted(self, item: ObjectT) -> None:
        """The server took our deletion: until the informer says more, the object counts as ending."""
        current = self.objects.get(item.key)
        if current is not None and current.metadata.uid == item.metadata.uid and not _ends(current):
            self._ending.add(item.metadata.uid)
            self._put(current)

    def settle(self) -> None:
        """Forget objects that we wrote and that were gone before the informer could tell them."""
        for key, version in list(self._ahead.items()):
            if version <= self.informer.version:
                del self._ahead[key]
                if key not in self.informer.objects and key in self.objects:
                    self._drop(self.objects[key])

    def _hear(self, change: Change[ObjectT]) -> None:
        if change.new is not None:
            self._take(change.new)
        elif change.old is not None:
            self._hear_end(change.old)

    def _hear_end(self, old: ObjectT) -> None:
        self._ending.discard(old.metadata.uid)
        current = self.objects.get(old.key)
        if current is not None and current.metadata.uid == old.metadata.uid:
            self._ahead.pop(old.key, None)
            self._drop(current)

    def _take(self, new: ObjectT) -> None:
        old = self.objects.get(new.key)
        if old is None or int(old.metadata.resource_version) < int(new.metadata.resource_version):
            self._put(new)

    def _put(self, new: ObjectT) -> None:
        if _ends(new):
            self._ending.discard(new.metadata.uid)
        elif new.metadata.uid in self._ending:
            new = _as_ending(new)
        old = self.objects.get(new.key)
        self.objects[new.key] = new
        self._tell(Change(old, new))

    def _drop(self, old: ObjectT) -> None:
        del self.objects[old.key]
        self._tell(Change(old, None))

    def _tell(self, change: Change[ObjectT]) -> None:
        for listener in self._listeners:
            listener(change)


def _ends(item: Object) -> bool:
    return item.metadata.deletion_timestamp is not None


def _as_ending(item: ObjectT) -> ObjectT:
    metadata = msgspec.structs.replace(item.metadata, deletion_timestamp=timestamp(datetime.now(UTC)))
    return msgspec.structs.replace(item, metadata=metadata)


class Source(Protocol[ObjectT]):
    """Whatever tells of objects: an informer or a store."""

    def subscribe(self, listener: Callable[[Change[ObjectT]], None]) -> None:
        """Hear of every object that is known and of every change from now on."""
        ...


class Index(Generic[ObjectT]):
    """The objects of a source under keys that they name themselves, such as their owner or each of their labels."""

    def __init__(self, source: Source[ObjectT], keys: Callable[[ObjectT], Iterable[Hashable]]) -> None:
        self._keys = keys
        self._found: dict[Hashable, dict[NamespacedName, ObjectT]] = {}
        source.subscribe(self._hear)

    def __getitem__(self, key: Hashable) -> Mapping[NamespacedName, ObjectT]:
        """The objects under a key. Do not keep it: it changes with the source."""
        return self._found.get(key, {})

    def _hear(self, change: Change[ObjectT]) -> None:
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
    """The name of the object that a change is about."""
    item = change.new or change.old
    assert item is not None, "a change has an object before or after"
    return item.key


def controller_uid(item: Object) -> str:
    """The uid of the owner that manages the object; empty where it has none."""
    return next((owner.uid for owner in item.metadata.owner_references if owner.controller), "")


def label_keys(item: Object) -> Iterable[Hashable]:
    """Index keys by which a selector finds the object: its namespace, and that with each of its labels."""
    namespace = item.metadata.namespace
    yield namespace
    for label, value in item.metadata.labels.items():
        yield namespace, label, value


def selected(index: Index[ObjectT], namespace: str, wanted: Mapping[str, str]) -> Iterable[ObjectT]:
    """The objects of a label index that bear all wanted labels; looks only at those with the rarest one."""
    candidates = min((index[namespace, label, value] for label, value in wanted.items()), key=len, default=None)
    for item in (index[namespace] if candidates is None else candidates).values():
        labels = item.metadata.labels
        if all(labels.get(label) == value for label, value in wanted.items()):
            yield item
