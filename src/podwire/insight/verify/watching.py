"""Which files an answer depends on, and whether one of them changed: by their sizes and times. Blocks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

POLL_SECONDS = 0.3
State = frozenset[tuple[str, int, int]]


def state(paths: Iterable[str]) -> State:
    """Return the files below these paths with their sizes and times."""
    return frozenset(found for path in paths for found in _files(Path(path)))


def next_state(paths: Callable[[], Iterable[str]], known: State) -> State:
    """Return the state once it is another than the known one, and has been the same for a moment."""
    while True:
        threading.Event().wait(POLL_SECONDS)
        found = state(paths())
        if found == known:
            continue
        threading.Event().wait(POLL_SECONDS)  # editors write a file in steps
        if state(paths()) == found:
            return found


def _files(path: Path) -> Iterator[tuple[str, int, int]]:
    for one in sorted(path.rglob("*")) if path.is_dir() else (path,):
        try:
            found = one.stat()
        except OSError:
            continue
        if one.is_file():
            yield str(one), found.st_size, found.st_mtime_ns
