"""The last records of a node in two files of bounded size: lines are appended, then the older file is dropped.

What is written is in the files whatever becomes of the process: the kernel keeps it. Any number of readers may follow.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEPT = 10_000
"""Records that are kept at least, as long as they are of ordinary size; twice as many at most."""
BYTES = 16 << 20
"""Of one file."""
CURRENT, PREVIOUS = "flows.jsonl", "flows.previous.jsonl"
_PIECE = 1 << 16


class Journal:
    """Appends lines. One process writes at a time."""

    def __init__(self, folder: Path, kept: int = KEPT, size: int = BYTES) -> None:
        self._current, self._previous = folder / CURRENT, folder / PREVIOUS
        self._kept, self._size = kept, size
        self._file = -1
        self._lines = self._bytes = 0
        self._open()

    def append(self, line: bytes) -> None:
        """Keep a line, which ends in a newline. Raises OSError, such as ENOSPC: nothing of it is kept then."""
        if self._lines >= self._kept or self._bytes + len(line) > self._size:
            self._rotate()
        written = os.write(self._file, line)
        if written < len(line):
            os.ftruncate(self._file, self._bytes)
            raise OSError(f"{self._current}: no room for a flow record")
        self._lines += 1
        self._bytes += len(line)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)

    def _open(self) -> None:
        self._file = os.open(self._current, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._bytes = os.fstat(self._file).st_size
        text = os.pread(self._file, self._bytes, 0)
        self._lines = text.count(b"\n")
        if text and not text.endswith(b"\n"):
            # The machine lost power in the middle of a line: what follows must not become a part of it.
            self._bytes = text.rfind(b"\n") + 1
            os.ftruncate(self._file, self._bytes)

    def _rotate(self) -> None:
        """Begin another file. Where that fails the present one stays open: its number must not be another file's."""
        before = self._file
        with contextlib.suppress(FileNotFoundError):
            os.replace(self._current, self._previous)
        self._open()
        os.close(before)


class JournalReader:
    """Reads the lines of a journal: first all that it keeps, then those that come."""

    def __init__(self, folder: Path) -> None:
        self._current, self._previous = folder / CURRENT, folder / PREVIOUS
        self._file = -1
        self._rest = b""
        self._began = False

    def read(self) -> Iterator[bytes]:
        """Return the lines that were written since the last call, without their ends."""
        if not self._began:
            self._began = True
            yield from self._whole(self._previous)
        if self._file >= 0:
            yield from self._lines()
        if self._has_moved():
            if self._file >= 0:
                yield from self._lines()
            self._reopen()
            if self._file >= 0:
                yield from self._lines()

    def close(self) -> None:
        """Release the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _whole(self, path: Path) -> Iterator[bytes]:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        yield from content.splitlines()

    def _has_moved(self) -> bool:
        """Whether the writer has begun another file."""
        try:
            now = os.stat(self._current)
        except FileNotFoundError:
            return False
        if self._file < 0:
            return True
        mine = os.fstat(self._file)
        return (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino)

    def _reopen(self) -> None:
        self.close()
        self._rest = b""
        try:
            self._file = os.open(self._current, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self._file = -1

    def _lines(self) -> Iterator[bytes]:
        while piece := os.read(self._file, _PIECE):
            *lines, self._rest = (self._rest + piece).split(b"\n")
            yield from lines
