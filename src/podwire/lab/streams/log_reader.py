"""Reading a container's log: which entries a client wants, as the bytes to send, once or for as long as more come."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from podwire.kube.numbers import read_number
from podwire.lab.shim.cri_log import Entry, decode, parse_time, timestamp
from podwire.lab.shim.log_file import set_aside
from podwire.lab.streams.log_cursors import Position

FOLLOW_PAUSE_SECONDS = 0.05


class LogOptionError(Exception):
    """A parameter of the request is wrong. The text names it."""


class LogOptions(msgspec.Struct, frozen=True):
    """The parameters of a log request. `since` is nanoseconds since 1970."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: int = 0
    limit_bytes: int | None = None


def options(query: Mapping[str, str], now: float) -> LogOptions:
    """Read a request's parameters. Raises LogOptionError."""
    since = 0
    seconds = _number(query, "sinceSeconds")
    if seconds is not None:
        since = int((now - seconds) * 1e9)
    if query.get("sinceTime"):
        try:
            since = parse_time(query["sinceTime"])
        except ValueError as error:
            raise LogOptionError(f"sinceTime: {error}") from None
    return LogOptions(
        follow=_flag(query, "follow"),
        previous=_flag(query, "previous"),
        timestamps=_flag(query, "timestamps"),
        tail_lines=_number(query, "tailLines"),
        since=since,
        limit_bytes=_number(query, "limitBytes"),
    )


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in {"true", "1"}


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    number = read_number(text, 18)
    if number is None:
        raise LogOptionError(f"{name}: {text!r} must be a number from 0 up")
    return number


def last_lines(entries: list[Entry], count: int) -> list[Entry]:
    """The entries of the last so many lines; parts of one line count once."""
    lines = 0
    for index in range(len(entries) - 1, -1, -1):
        ends_line = entries[index].full or index == len(entries) - 1
        if ends_line:
            lines += 1
            if lines > count:
                return entries[index + 1 :]
    return entries


class Rendering:
    """Entries to bytes, with times at the start of lines where they are requested, and no more bytes than the limit."""

    def __init__(self, requested: LogOptions) -> None:
        self._requested = requested
        self._left = requested.limit_bytes
        self._fresh = {"stdout": True, "stderr": True}

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return self._left == 0

    def render(self, entries: Iterable[Entry]) -> bytes:
        """The bytes of these entries."""
        parts = []
        for entry in entries:
            if entry.time < self._requested.since:
                continue
            if self._requested.timestamps and self._fresh.get(entry.stream, True):
                parts.append(f"{timestamp(entry.time)} ".encode())
            parts.append(entry.output)
            self._fresh[entry.stream] = entry.full
        data = b"".join(parts)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        return data


class Tail:
    """The entries of one log file, in order, each once, also when the file is set aside for a fresh one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("rb")
        self._rest = b""

    def skip(self) -> None:
        """Skip what has been written."""
        self._file.seek(0, 2)

    @property
    def position(self) -> Position:
        """The end of what was read."""
        return Position(os.fstat(self._file.fileno()).st_ino, self._file.tell() - len(self._rest))

    def resume(self, position: Position) -> None:
        """Continue from a position, also if the file has been rotated since."""
        for path in (self._path, set_aside(self._path)):
            if path.exists() and path.stat().st_ino == position.inode:
                self._file.close()
                self._file = path.open("rb")
                self._file.seek(position.offset)
                return

    def more(self) -> list[Entry]:
        """Return the entries since the last call."""
        data = self._file.read()
        if not data and self._replaced():
            data = self._file.read()  # what was written between the read before and the replacement
            self._file.close()
            self._file = self._path.open("rb")
            data += self._file.read()
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [entry for entry in map(decode, lines) if entry is not None]

    def _replaced(self) -> bool:
        try:
            return self._path.stat().st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Close the file."""
        self._file.close()


async def chunks(
    path: Path, requested: LogOptions, alive: Callable[[], bool], seen: Callable[[Position], None] = lambda _: None
) -> AsyncIterator[bytes]:
    """The bytes of a log; with `follow`, until the container is not alive and all is read.

    `seen` is called with the end of the log, before these bytes are yielded.
    """
    rendering = Rendering(requested)
    tail = Tail(path)
    try:
        aside = _entries(set_aside(path))
        entries = [entry for entry in aside + tail.more() if entry.time >= requested.since]
        if requested.tail_lines is not None:
            entries = last_lines(entries, requested.tail_lines)
        seen(tail.position)
        yield rendering.render(entries)
        while requested.follow and not rendering.full:
            more_may_come = alive()
            data = rendering.render(tail.more())
            if data:
                yield data
            elif not more_may_come:
                return
            else:
                await asyncio.sleep(FOLLOW_PAUSE_SECONDS)
    finally:
        tail.close()


def _entries(path: Path) -> list[Entry]:
    if not path.exists():
        return []
    return [entry for entry in map(decode, path.read_bytes().splitlines(keepends=False)) if entry is not None]


def young(path: Path, seconds: float) -> bool:
    """Whether a log began only so many seconds ago."""
    first = _first(path)
    return first is None or time.time_ns() - first.time < seconds * 1e9


def _first(path: Path) -> Entry | None:
    with path.open("rb") as file:
        return decode(file.readline())
