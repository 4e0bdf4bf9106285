"""Exit statuses of orphans: a file of fixed size that pid 1 writes and shims read.

All its blocks are allocated when the world starts, so a full tmpfs loses no exit status. The newest ENTRIES are kept.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

ENTRIES = 1024
_ENTRY = struct.Struct("<iiQ")
"""Process id, wait status, end in nanoseconds since 1970."""
_PID = struct.Struct("<i")


class ExitRing:
    """The writing side, for one process. Raises OSError where the file cannot be made."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(self._file, 0, ENTRIES * _ENTRY.size)
        self._next = 0

    def add(self, pid: int, status: int, ended: int) -> None:
        """Record that a process ended with this wait status, at `ended` nanoseconds since 1970.

        The process id is written last: a reader that finds it reads a whole entry.
        """
        offset = self._next * _ENTRY.size
        os.pwrite(self._file, _ENTRY.pack(0, status, ended), offset)
        os.pwrite(self._file, _PID.pack(pid), offset)
        self._next = (self._next + 1) % ENTRIES

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def exit_status(path: Path, pid: int, started: float) -> int | None:
    """Return the wait status of a process that ran at `started` (seconds since 1970); None if it is not recorded.

    An older process with the same number ended before that and is ignored; a second covers the coarseness of clocks.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    whole = len(data) - len(data) % _ENTRY.size
    found = [
        (ended, status)
        for number, status, ended in _ENTRY.iter_unpack(data[:whole])
        if number == pid and ended >= (started - 1) * 1e9
    ]
    return max(found)[1] if found else None
