"""Fan-out: passes the store's events to the watchers of their storage."""

from __future__ import annotations

import logging
from itertools import groupby
from typing import TYPE_CHECKING

from podwire.apiserver.reads.watcher import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.apiserver.reads.watcher import Watcher
    from podwire.apiserver.storage.revisions import Event
    from podwire.apiserver.storage.store import Store

log = logging.getLogger(__name__)


class Hub:
    """All open watch streams of one store."""

    def __init__(self, store: Store) -> None:
        self._watchers: dict[str, dict[Watcher, None]] = {}
        store.subscribe(self._publish)

    def __len__(self) -> int:
        return sum(map(len, self._watchers.values()))

    def add(self, storage: str, watcher: Watcher) -> None:
        """Feed a watcher from now on."""
        self._watchers.setdefault(storage, {})[watcher] = None

    def discard(self, storage: str, watcher: Watcher) -> None:
        """Feed it no longer; nothing happens where it is not known."""
        self._watchers.get(storage, {}).pop(watcher, None)

    def end(self) -> None:
        """End all streams cleanly."""
        for watchers in self._watchers.values():
            for watcher in tuple(watchers):
                watcher.end()

    def end_storage(self, storage: str) -> None:
        """End the streams of one storage cleanly: what they showed is served no longer, or in another form."""
        for watcher in tuple(self._watchers.get(storage, ())):
            watcher.end()

    def _publish(self, events: Sequence[Event]) -> None:
        for storage, run in groupby(events, key=lambda event: event.key.storage):
            watchers = self._watchers.get(storage)
            if watchers:
                batch, lines = tuple(run), Lines()
                for watcher in tuple(watchers):
                    self._feed(storage, watcher, batch, lines)

    def _feed(self, storage: str, watcher: Watcher, batch: Sequence[Event], lines: Lines) -> None:
        """Feed a watcher. One that fails ends its own stream only: its client watches again from its last version."""
        try:
            watcher.feed(batch, lines)
        except Exception:
            log.exception("a watcher of %s failed at version %d", storage, batch[-1].version)
            self.discard(storage, watcher)
            watcher.end()
