"""Start times of processes, which together with the pid identify one. Source: proc(5)."""

from __future__ import annotations

from pathlib import Path


def start_time(pid: int) -> int | None:
    """Return the start of a process in clock ticks after boot (proc(5), stat field 22); None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
