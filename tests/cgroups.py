"""In which control groups processes are: what a runtime makes for a container would hold that container's processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path


def of(*processes: int | str) -> set[str]:
    """The control groups of processes by id, or `self`, in every hierarchy; those that have ended have none."""
    return set(_lines(processes))


def _lines(processes: Iterable[int | str]) -> Iterable[str]:
    for process in processes:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield from Path(f"/proc/{process}/cgroup").read_text().splitlines()
