"""Run a program to its end without a thread: input and output are files in memory, its end is seen by descriptor."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

import msgspec

from podwire.lab.base import pidfd


class Outcome(msgspec.Struct, frozen=True):
    """What a program answered. A negative status is the signal that ended it."""

    status: int
    output: bytes
    errors: bytes


async def run(
    command: Sequence[str], *, environment: Mapping[str, str], data: bytes = b"", timeout_seconds: float
) -> Outcome:
    """Run a program with exactly this environment and input. Raises OSError and TimeoutError (it is killed then)."""
    stdin, stdout, stderr = (os.memfd_create(name, os.MFD_CLOEXEC) for name in ("input", "output", "errors"))
    try:
        os.write(stdin, data)
        os.lseek(stdin, 0, os.SEEK_SET)
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns once the program runs, its end is awaited below
            command, env=dict(environment), stdin=stdin, stdout=stdout, stderr=stderr
        )
        status = await _wait(process, timeout_seconds)
        return Outcome(status, _content(stdout), _content(stderr))
    finally:
        for descriptor in (stdin, stdout, stderr):
            os.close(descriptor)


async def _wait(process: subprocess.Popen[bytes], timeout_seconds: float) -> int:
    descriptor = os.pidfd_open(process.pid)
    try:
        async with asyncio.timeout(timeout_seconds):
            await pidfd.gone(descriptor)
    except BaseException:
        pidfd.send_signal(descriptor, signal.SIGKILL)
        process.wait()
        raise
    finally:
        os.close(descriptor)
    return process.wait()


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
