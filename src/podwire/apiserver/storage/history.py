"""The recent events, so that a watch can go on from where it was and a paged list stays one moment's."""

from __future__ import annotations

from collections import deque
from itertools import islice, takewhile
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from podwire.apiserver.storage.revisions import Event


MOST_AGED = 1_000
"""Events removed for their age by one commit at most: a commit after a long pause must not take long."""


class Window(msgspec.Struct, frozen=True):
    """How much history is kept: what is older, or beyond the number of events, is removed.

    Upstream keeps at least 75 s; five minutes is the documented habit.
    """

    seconds: float = 300.0
    events: int = 20_000
    bytes: int = 256 * 1024 * 1024
    """Of encoded objects: without it, versions of one large object could fill the memory."""


class History:
    """Events after `floor`, in order, of all storages and of each."""

    def __init__(self, window: Window, floor: int = 0) -> None:
        self.floor = floor
        self._window = window
        self._all: deque[tuple[float, Event]] = deque()
        self._bytes = 0
        self._of: dict[str, deque[Event]] = {}

    def append(self, event: Event, now: float) -> None:
        """Keep a new event; versions only grow."""
        self._all.append((now, event))
        self._bytes += len(event.new.body)
        self._of.setdefault(event.key.storage, deque()).append(event)

    def after(self, storage: str, version: int) -> list[Event]:
        """The events of a storage since a version, oldest first. `version` must not be below `floor`."""
        newest_first = reversed(self._of.get(storage, ()))
        found = list(takewhile(lambda event: event.version > version, newest_first))
        found.reverse()
        return found

    def outdated(self, now: float, coming: Sequence[Event]) -> list[Event]:
        """The events to drop before new ones arrive, oldest first."""
        excess = max(0, len(self._all) + len(coming) - self._window.events, self._too_large(coming))
        oldest = now - self._window.seconds
        aged = takewhile(lambda kept: kept[0] < oldest, islice(self._all, excess, excess + MOST_AGED))
        return [event for _, event in (*islice(self._all, excess), *aged)]

    def _too_large(self, coming: Sequence[Event]) -> int:
        """How many of the oldest events take the room that new ones need."""
        over = self._bytes + sum(len(event.new.body) for event in coming) - self._window.bytes
        count = 0
        for _, event in self._all if over > 0 else ():
            if over <= 0:
                break
            over -= len(event.new.body)
            count += 1
        return count

    def remove(self, events: list[Event]) -> None:
        """Drop what `outdated` named."""
        for event in events:
            self._all.popleft()
            self._bytes -= len(event.new.body)
            self._of[event.key.storage].popleft()
            self.floor = event.version


def superseded(event: Event) -> list[int]:
    """The revisions that are no longer needed once an event is removed."""
    versions = [event.old.version] if event.old is not None else []
    return [*versions, event.version] if event.removed else versions
