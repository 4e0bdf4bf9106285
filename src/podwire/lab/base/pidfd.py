"""Processes by descriptor: wait for the end of any process, child or not, without a signal handler or a thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from podwire.lab.base import paths
from podwire.lab.base.exit_ring import exit_status
from podwire.lab.base.proc_stat import start_time

EXIT_TRIES = 200
EXIT_PAUSE_SECONDS = 0.01
"""pid 1 records a status right after the process has ended."""


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


async def wait_orphan(pid: int, descriptor: int, started: float) -> int | None:
    """Return the wait status of a process that pid 1 of the world reaps, when it has ended; None if it is unknown."""
    await gone(descriptor)
    for _ in range(EXIT_TRIES):
        status = exit_status(paths.EXITS, pid, started)
        if status is not None:
            return status
        await asyncio.sleep(EXIT_PAUSE_SECONDS)
    return None


def send_signal(descriptor: int, number: int) -> None:
    """Signal the process of a pidfd; no error if it has ended."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(descriptor, number)
