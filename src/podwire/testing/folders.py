"""Temporary folders of test processes, each marked and locked by its process: what a killed one left is recognised.

The mark is a file on which the process holds flock(2), which the kernel releases at any death. A folder with the mark
and no lock has no owner; a folder that is kept has no mark.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

PREFIX = "podwire-"
MARK = ".podwire-tests"


@dataclass(frozen=True)
class Folder:
    """A marked folder and the descriptor that holds its lock."""

    path: Path
    lock: int

    def remove(self) -> None:
        """Remove it with all that is in it."""
        clear(self.path)
        os.close(self.lock)

    def keep(self) -> None:
        """Keep the folder: no sweep removes it any more."""
        (self.path / MARK).unlink(missing_ok=True)
        os.close(self.lock)


def make() -> Folder:
    """A new folder in the temporary one, for this user only."""
    path = Path(tempfile.mkdtemp(prefix=PREFIX))
    fresh = path / f"{MARK}.new"
    lock = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    fresh.rename(path / MARK)  # the mark appears with its lock
    return Folder(path, lock)


def sweep() -> list[Path]:
    """Remove this user's marked folders whose process has ended; return their paths."""
    beside = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    return [path for path in sorted(beside) if is_own(path) and _swept(path)]


def is_own(path: Path) -> bool:
    """Whether this is a folder of this user, and no link to one."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _swept(path: Path) -> bool:
    """Remove one folder, unless it has no mark or its lock is held."""
    try:
        lock = os.open(path / MARK, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        clear(path)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def clear(path: Path) -> None:
    """Remove a folder, its mark last: what cannot be removed now stays marked for the next sweep."""
    with contextlib.suppress(OSError):
        for entry in path.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != MARK:
                entry.unlink(missing_ok=True)
        if [entry.name for entry in path.iterdir()] == [MARK]:
            (path / MARK).unlink()
        path.rmdir()
