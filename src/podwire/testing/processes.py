"""The processes of a world, seen from the host."""

from __future__ import annotations

from pathlib import Path


def descendants(root: int) -> dict[int, str]:
    """A process and all below it by process id, with their names (proc(5), stat fields 1, 2 and 4).

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
        names[pid] = name
        children.setdefault(int(rest.split()[1]), []).append(pid)
    found: dict[int, str] = {}
    pending = [root]
    while pending:
        pid = pending.pop()
        if pid in names:
            found[pid] = names[pid]
        pending += children.get(pid, [])
    return found
