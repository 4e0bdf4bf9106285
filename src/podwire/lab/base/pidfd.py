"""Processes by descriptor: wait for the end of any process, child or not, without a signal handler or a thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

from podwire.lab.base import paths
from podwire.lab.base.proc_stat import start_time

UNKNOWN_EXIT = 255
EXIT_WORD_TRIES = 200
EXIT_WORD_PAUSE = 0.01
"""Seconds; pid 1 writes the word right after the process has ended."""


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks after boot (proc(5), stat field 22); 0 when it is gone or a zombie."""
    return start_time(pid) or 0


async def gone(descriptor: int) -> None:
    """Return when the process of a pidfd has ended."""
    await readable(descriptor)


async def readable(descriptor: int) -> None:
    """Return when something can be read, or the other end is closed."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(descriptor, end)
    try:
        await ended
    finally:
        loop.remove_reader(descriptor)


async def wait_child(pid: int) -> int:
    """The wait status of a child, when it has ended."""
    descriptor = os.pidfd_open(pid)
    try:
        await gone(descriptor)
    finally:
        os.close(descriptor)
    return os.waitpid(pid, 0)[1]  # noqa: ASYNC222 - it has ended, so this does not wait


async def wait_orphan(pid: int, descriptor: int, started: float) -> int:
    """The wait status of a process that pid 1 of the world reaps and writes down; UNKNOWN_EXIT where it did not."""
    await gone(descriptor)
    path = paths.EXITS / str(pid)
    for _ in range(EXIT_WORD_TRIES):
        status = written_exit(path, started)
        if status is not None:
            return status
        await asyncio.sleep(EXIT_WORD_PAUSE)
    return UNKNOWN_EXIT << 8


def written_exit(path: Path, started: float) -> int | None:
    """The status in a file of the exits folder, unless it is of an older process with the same number."""
    with contextlib.suppress(OSError, ValueError):
        if path.stat().st_mtime >= started - 1:
            return int(path.read_text())
    return None


def send_signal(descriptor: int, number: int) -> None:
    """Signal the process of a pidfd; one that has ended already is as good."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, number)
