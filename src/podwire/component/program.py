"""The life of a program: logs, signals, and the memory that only its start needed."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from podwire.component import logs
from podwire.component.logs import LogFormat
from podwire.component.signals import run_until_signal
from podwire.kernel import memory
from podwire.kernel.nftables import NftablesError, NftablesMissingError
from podwire.kube.credentials import CredentialsError

log = logging.getLogger(__name__)

TRIM_SECONDS = 2.0


class StartRefusedError(Exception):
    """A program does not start. The text has the reason and the remedy."""


def run(
    work: Coroutine[Any, Any, None],
    *,
    log_format: LogFormat = "text",
    verbosity: int = 0,
    linger: float | Callable[[], float] = 0.0,
) -> None:
    """Log to standard error and work until done, or until SIGTERM or SIGINT; then for `linger` seconds more.

    What a user can mend is one line of the log and exit status 1: a port that is taken, credentials that cannot be
    used, a namespace without rights. Raises everything else.
    """
    memory.use_one_arena()
    logs.configure(log_format, verbosity)
    try:
        asyncio.run(trimmed(run_until_signal(work, linger)))
    except (OSError, StartRefusedError, CredentialsError, NftablesError, NftablesMissingError) as error:
        log.critical("%s", error)
        sys.exit(1)


async def trimmed(work: Coroutine[Any, Any, None]) -> None:
    """Do the work; soon after its start, give back what only the start needed."""
    asyncio.get_running_loop().call_later(TRIM_SECONDS, memory.release)
    await work
