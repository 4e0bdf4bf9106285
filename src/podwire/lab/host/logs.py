"""The logs of a world's processes, which are files of its folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from podwire.lab.host.worlds import World, WorldError

Write = Callable[[bytes], object]

PAUSE_SECONDS = 0.1
"""Between two looks for what was appended."""


def processes(world: World) -> dict[str, Path]:
    """The files by name of the process, such as agent-node-1."""
    return {path.stem: path for path in sorted((world.folder / "logs").glob("*.log"))}


def chosen(world: World, process: str, nodes: Sequence[str]) -> dict[str, Path]:
    """The logs of a process, or those of a node's process on each node: `agent` is `agent-node-1` and so on.

    Raises WorldError with the names there are.
    """
    logs = processes(world)
    if process in logs and not nodes:
        return {process: logs[process]}
    names = [f"{process}-{node}" for node in nodes] or [name for name in logs if name.startswith(f"{process}-node-")]
    unknown = [name for name in names if name not in logs]
    if unknown or not names:
        there = ", ".join(logs)
        raise WorldError(f"no process '{(unknown or [process])[0]}' in world '{world.name}'; there are: {there}")
    return {name: logs[name] for name in names}


def write(logs: dict[str, Path], write_piece: Write, *, tail: int | None = None, follow: bool = False) -> None:
    """Write whole lines, each with its process before it where there are several; `follow` until interrupted."""
    prefixes = {name: f"{name} | ".encode() if len(logs) > 1 else b"" for name in logs}
    positions = dict.fromkeys(logs, 0)
    pause = threading.Event()
    while True:
        for name, path in logs.items():
            lines, positions[name] = _lines(path, positions[name], partial=not follow)
            kept = lines if tail is None else lines[max(0, len(lines) - tail) :]
            if kept:
                write_piece(b"".join(prefixes[name] + line + b"\n" for line in kept))
        tail = None
        if not follow:
            return
        pause.wait(PAUSE_SECONDS)


def _lines(path: Path, position: int, *, partial: bool) -> tuple[list[bytes], int]:
    """The lines after a position, with `partial` the unfinished last one too, and the position behind them."""
    with path.open("rb") as file:
        file.seek(position)
        content = file.read()
    if not partial:
        content = content[: content.rfind(b"\n") + 1]
    return content.splitlines(), position + len(content)
