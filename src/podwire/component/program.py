"""The life of a program: logs, signals, and the memory that only its start needed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from podwire.component import logs
from podwire.component.logs import LogFormat
from podwire.component.signals import run_until_signal
from podwire.kernel.nftables import release_memory

TRIM_SECONDS = 2.0


def run(
    work: Coroutine[Any, Any, None], *, log_format: LogFormat = "text", verbosity: int = 0, linger: float = 0.0
) -> None:
    """Log to standard error and work until done, or until SIGTERM or SIGINT; then for `linger` seconds more."""
    logs.configure(log_format, verbosity)
    asyncio.run(trimmed(run_until_signal(work, linger)))


async def trimmed(work: Coroutine[Any, Any, None]) -> None:
    """Do the work; soon after its start, give back what only the start needed."""
    asyncio.get_running_loop().call_later(TRIM_SECONDS, release_memory)
    await work
