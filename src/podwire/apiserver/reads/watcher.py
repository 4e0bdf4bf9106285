"""Watch streams: what one watcher gets of the store's events. No I/O; the adapter sends what `take` returns.

    state      input                          next state   effect
    STARTING   take                           STARTING     initial lines, a chunk at a time
    STARTING   take, initial lines all sent   LIVE         buffered lines follow
    any        feed                           same         lines are buffered
    any        feed, buffer full              BROKEN       nothing more is sent: the client must list again
    any        tick at a bookmark's time      same         one BOOKMARK is buffered
    any        refuse                         ENDING       one ERROR is sent
    any        tick at the end, or end()      ENDING       what is buffered is still sent, then the stream ends

    before    after     sent as
    outside   inside    ADDED
    inside    inside    MODIFIED
    inside    outside   DELETED, with the last state that was inside, at the new version
    inside    removed   DELETED, with the last state, at the removal's version

Source: kubernetes.io "Efficient detection of changes"; k8s.io/apiserver `storage/cacher/cache_watcher.go`.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from podwire.apiserver.base.encoding import encode
from podwire.apiserver.reads.representations import INITIAL_EVENTS_END, at_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from podwire.apiserver.base.status import StatusError
    from podwire.apiserver.reads.representations import View
    from podwire.apiserver.reads.selectors import Selection
    from podwire.apiserver.storage.revisions import Event, Stored

LARGEST_BUFFER = 4096
"""Lines that wait for a slow client."""

LARGEST_BUFFER_BYTES = 64 * 1024 * 1024
"""Bytes of these lines. Watchers share them, but each view and each slow client may hold others."""

CHUNK = 64 * 1024
"""About how many bytes one `take` gives."""

BOOKMARK_SECONDS = 60.0
LAST_BOOKMARK_SECONDS = 2.0
"""Before the end of the stream, so that the next watch starts from a fresh version."""


class Phase(enum.Enum):
    """The state of a stream."""

    STARTING = "starting"
    LIVE = "live"
    ENDING = "ending"
    BROKEN = "broken"


class Watcher:
    """One stream. `wake` is called when there is something to take, or an end to notice."""

    def __init__(
        self,
        selection: Selection,
        view: View,
        *,
        initial: Iterable[bytes] = (),
        bookmarks: bool = False,
        started: float = 0.0,
        ends: float = float("inf"),
    ) -> None:
        self.phase = Phase.STARTING
        self.wake: Callable[[], None] = _nothing
        self._selection = selection
        self._view = view
        self._initial: Iterator[bytes] = iter(initial)
        self._buffer: deque[bytes] = deque()
        self._buffered = 0
        self._opened = False
        self._ends = ends
        self._bookmark = _next_bookmark(started, ends) if bookmarks else float("inf")

    @property
    def next_tick(self) -> float:
        """When `tick` has something to do."""
        return min(self._bookmark, self._ends)

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        return self.phase is Phase.BROKEN or (self.phase is Phase.ENDING and not self._buffer)

    def feed(self, events: Sequence[Event], lines: Lines | None = None) -> None:
        """Take new events of the storage, in order. `lines` has what other watchers of these events encoded already."""
        known = Lines() if lines is None else lines
        lines_now = [line for event in events if (line := event_line(event, self._selection, self._view, known))]
        if lines_now:
            self._append(lines_now)

    def take(self) -> bytes:
        """The next lines, joined; empty when there is nothing now."""
        if self.phase is Phase.BROKEN:
            return b""
        lines, size = [], 0
        for source in (self._initial, self._drain()):
            for line in source:
                lines.append(line if self._opened else self._view.opening(line))
                self._opened = True
                size += len(line)
                if size >= CHUNK:
                    return b"".join(lines)
        if self.phase is Phase.STARTING:
            self.phase = Phase.LIVE
        return b"".join(lines)

    def tick(self, now: float, version: int) -> None:
        """Do what is due: a bookmark at the store's present version, the end."""
        if now >= self._bookmark:
            self._append([bookmark_line(self._view, version)])
            self._bookmark = _next_bookmark(now, self._ends)
        if now >= self._ends:
            self.end()

    def end(self) -> None:
        """Send what is there and stop."""
        if self.phase is not Phase.BROKEN:
            self.phase = Phase.ENDING
        self.wake()

    def refuse(self, error: StatusError) -> None:
        """Report why there is no stream, and end: clients look for the code of a lost position in its event."""
        self._append([_framed("ERROR", encode(error.json()))])
        self.end()

    def _append(self, lines: list[bytes]) -> None:
        if self.phase is Phase.BROKEN:
            return
        self._buffered += sum(map(len, lines))
        if len(self._buffer) + len(lines) > LARGEST_BUFFER or self._buffered > LARGEST_BUFFER_BYTES:
            self.phase = Phase.BROKEN
            self._buffer.clear()
            self._initial = iter(())
        else:
            self._buffer.extend(lines)
        self.wake()

    def _drain(self) -> Iterator[bytes]:
        while self._buffer:
            line = self._buffer.popleft()
            self._buffered -= len(line)
            yield line


class Lines:
    """Encoded lines of a batch of events, so that a hundred watchers cost one encoding; it lives as long as the batch.

    Kept with the events, they would double or quadruple what the window of events takes.
    """

    def __init__(self) -> None:
        self._lines: dict[tuple[int, str, str], bytes] = {}

    def line(self, event: Event, kind: str, view: View, stored: Stored) -> bytes:
        """The line of an event in a view; `kind` LEFT is a DELETED with the last state that was selected."""
        key = (event.version, kind, view.name)
        found = self._lines.get(key)
        if found is None:
            found = self._lines[key] = _line(event, kind, view, stored)
        return found


def event_line(event: Event, selection: Selection, view: View, lines: Lines) -> bytes:
    """The line of an event for a selection; empty when the event does not concern it."""
    inside = not event.removed and selection.matches(event.new)
    was_inside = event.old is not None and selection.matches(event.old)
    if inside:
        return lines.line(event, "MODIFIED" if was_inside else "ADDED", view, event.new)
    if not was_inside or event.old is None:
        return b""
    if event.removed:
        return lines.line(event, "DELETED", view, event.new)
    return lines.line(event, "LEFT", view, event.old)


def added_line(stored: Stored, view: View) -> bytes:
    """A synthetic ADDED of a present object."""
    return _framed("ADDED", view.one(stored))


def bookmark_line(view: View, version: int, *, initial_events_end: bool = False) -> bytes:
    """A BOOKMARK: the stream has sent everything up to this version."""
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    if initial_events_end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    return _framed("BOOKMARK", view.bookmark(metadata))


def _line(event: Event, kind: str, view: View, stored: Stored) -> bytes:
    if kind == "LEFT":
        return _framed("DELETED", view.one(at_version(stored, event.version)))
    return _framed(kind, view.one(stored))


def _framed(kind: str, body: bytes) -> bytes:
    return b"".join((b'{"type":"', kind.encode(), b'","object":', body, b"}\n"))


def _next_bookmark(now: float, ends: float) -> float:
    """A minute from now, and once more shortly before the end."""
    last = ends - LAST_BOOKMARK_SECONDS
    return min(now + BOOKMARK_SECONDS, last) if now < last else float("inf")


def _nothing() -> None:
    """Do nothing: the default of `wake`."""


class WatchAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer that goes on: the adapter sends what the watcher has until it ends."""

    watcher: Watcher
    storage: str
    warnings: tuple[str, ...] = ()
