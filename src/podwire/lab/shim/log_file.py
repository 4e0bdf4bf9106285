"""The log of one run of a container: a file of bounded size, beside it the part before it."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from podwire.lab.shim.cri_log import Entry, encode

MOST_BYTES = 4 * 1024 * 1024
"""A log file that is longer is set aside; one such part is kept."""

log = logging.getLogger(__name__)


def log_path(folder: Path, container: str, run: int) -> Path:
    """The log of a container's run, counted from 0."""
    return folder / "logs" / container / f"{run}.log"


def set_aside(path: Path) -> Path:
    """Where the part before the current one is kept."""
    return path.with_suffix(".log.1")


class LogFile:
    """Appends entries. A full disk loses entries, never the process that writes them."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self._most_bytes = most_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def write(self, entries: Iterable[Entry]) -> None:
        """Append entries in one write."""
        data = encode(entries)
        try:
            if self._size + len(data) > self._most_bytes and self._size:
                self._rotate()
            self._size += os.write(self._file, data)
        except OSError as error:
            log.warning("%s: %s; output is lost", self.path, error.strerror)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        """Continue in a new file. Raises OSError; the descriptor in use is open and this object's at every moment."""
        fresh = self.path.with_suffix(".log.new")
        new = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.suppress(FileNotFoundError):  # as after a rotation that failed half-way
                self.path.rename(set_aside(self.path))
            fresh.rename(self.path)
        except OSError:
            os.close(new)
            raise
        old, self._file, self._size = self._file, new, 0
        os.close(old)


def remove_runs(folder: Path, container: str, before: int) -> None:
    """Remove the logs of runs before this one."""
    for path in (folder / "logs" / container).glob("*.log*"):
        with contextlib.suppress(ValueError):
            if int(path.name.partition(".")[0]) < before:
                path.unlink(missing_ok=True)
