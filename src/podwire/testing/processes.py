"""The processes of a world, seen from the host."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

END_SECONDS = 10


def descendants(root: int) -> dict[int, str]:
    """A process and all below it by process id, with their names (proc(5), stat fields 1 to 4); zombies have ended.

    Orphans in a pid namespace belong to its first process, so with a world's first process as root none is missed.
    """
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        name, _, rest = text.partition("(")[2].rpartition(")")
        pid = int(text.split(" ", 1)[0])
        state, parent = rest.split()[:2]
        if state != "Z":
            names[pid] = name
        children.setdefault(int(parent), []).append(pid)
    found: dict[int, str] = {}
    pending = [root]
    while pending:
        pid = pending.pop()
        if pid in names:
            found[pid] = names[pid]
        pending += children.get(pid, [])
    return found


def end(pid: int) -> None:
    """Kill a process with SIGKILL and return when it has ended. No error if it does not exist."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(END_SECONDS * 1000)
    finally:
        os.close(descriptor)
