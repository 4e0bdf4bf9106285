"""The newest acknowledged version, in a file of 8 bytes beside the store.

SQLite reads a write-ahead log that is missing or damaged as the end of the data, without an error; the mark shows it.
"""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path

_FORM = struct.Struct(">Q")


class CommitMark:
    """The file `<store>-version`. A store in memory has none (path None)."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def version(self) -> int:
        """What was noted last; 0 where nothing was, or where it cannot be read."""
        raw = b"" if self._file is None else os.pread(self._file, _FORM.size, 0)
        return int(_FORM.unpack(raw)[0]) if len(raw) == _FORM.size else 0

    def note(self, version: int) -> None:
        """Remember a version that is committed. A full disk cannot hinder it but once, when the file is new."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, _FORM.pack(version), 0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
