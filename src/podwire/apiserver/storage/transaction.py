"""One write's view of the store: it reads committed and staged objects, and takes effect as a whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from podwire.apiserver.base.encoding import encode
from podwire.apiserver.base.json_equality import json_equal
from podwire.apiserver.kinds.selectable_fields import selectable_fields
from podwire.apiserver.storage.revisions import Event, Key, Stored

if TYPE_CHECKING:
    from collections.abc import Callable

Object = dict[str, Any]


class Batch:
    """The writes that share one commit. Later ones see the earlier ones."""

    def __init__(self, committed: Callable[[Key], Stored | None], version: int) -> None:
        self.version = version
        self.events: list[Event] = []
        self.staged: dict[Key, Stored | None] = {}
        self._committed = committed

    def get(self, key: Key) -> Stored | None:
        """An object with the staged writes applied."""
        return self.staged[key] if key in self.staged else self._committed(key)

    def rebase(self, committed: Callable[[Key], Stored | None]) -> None:
        """Read from somewhere else with the same content: from the store, once the batch below is part of it."""
        self._committed = committed

    def take(self, transaction: Transaction) -> None:
        """Make a finished transaction part of the batch."""
        for event in transaction.events:
            self.events.append(event)
            self.staged[event.key] = None if event.removed else event.new
        self.version += len(transaction.events)


class Transaction:
    """Reads and writes of one request. A dry run sees its own writes, takes no version and leaves nothing."""

    def __init__(self, batch: Batch, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self.events: list[Event] = []
        self._batch = batch
        self._own: dict[Key, Stored | None] = {}
        self._when_committed: list[Callable[[], None]] = []
        self._when_undone: list[Callable[[], None]] = []

    def get(self, key: Key) -> Stored | None:
        """The object of a key, staged writes included."""
        return self._own[key] if key in self._own else self._batch.get(key)

    def put(self, key: Key, obj: Object) -> Stored:
        """Store an object under a new version; one that is equal to the present one changes nothing."""
        current = self.get(key)
        metadata = obj["metadata"]
        metadata.pop("resourceVersion", None)
        if current is not None:
            metadata["resourceVersion"] = str(current.version)
            if json_equal(obj, current.object()):
                return current
        version = self._stamp(metadata)
        stored = stored_object(key, version, obj)
        self._record(Event(current, stored, removed=False))
        return stored

    def remove(self, key: Key, obj: Object | None = None) -> Stored:
        """Remove an object. Watchers get its last state, `obj` where given, under a new version."""
        current = self.get(key)
        if current is None:
            raise LookupError(f"{key} is not there")
        last = current.object() if obj is None else obj
        stored = stored_object(key, self._stamp(last["metadata"]), last)
        self._record(Event(current, stored, removed=True))
        return stored

    def when_done(self, committed: Callable[[], None], undone: Callable[[], None]) -> None:
        """Call one of two functions when the writes are committed or undone."""
        self._when_committed.append(committed)
        self._when_undone.append(undone)

    def finish(self, *, committed: bool) -> None:
        """Run the callbacks of `when_done`, once."""
        waiting = self._when_committed if committed else self._when_undone
        for callback in waiting:
            callback()
        self._when_committed, self._when_undone = [], []

    def _stamp(self, metadata: Object) -> int:
        """The version of the next write, put into its metadata; a dry run keeps the present one."""
        if self.dry_run:
            return int(metadata.get("resourceVersion") or 0)
        version = self._batch.version + len(self.events) + 1
        metadata["resourceVersion"] = str(version)
        return version

    def _record(self, event: Event) -> None:
        self.events.append(event)
        self._own[event.key] = None if event.removed else event.new


def stored_object(key: Key, version: int, obj: Object, body: bytes | None = None) -> Stored:
    """An object as the store keeps it; `body` is its encoding where that is known already."""
    metadata = obj["metadata"]
    return Stored(
        key=key,
        version=version,
        uid=metadata.get("uid", ""),
        body=encode(obj) if body is None else body,
        labels=metadata.get("labels") or {},
        fields=selectable_fields(key.storage, obj),
    )
