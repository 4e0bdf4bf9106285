"""The end of a program in order: SIGTERM and SIGINT cancel its work, and wait until that has cleaned up."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


async def run_until_signal(work: Coroutine[Any, Any, None], linger: float | Callable[[], float] = 0.0) -> None:
    """Do the work until it ends or a signal comes. Raises what the work raises.

    `linger`: seconds of work after the signal, while clients still send to this process, or what returns them then. A
    second signal ends the process at once, as the kernel does by default.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    stopping = asyncio.Event()

    def stop(number: signal.Signals) -> None:
        nonlocal linger
        linger = linger() if callable(linger) else linger
        log.info("%s: ending%s", number.name, f" in {linger:g} s" if linger else "")
        for one in SIGNALS:
            loop.remove_signal_handler(one)
        stopping.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop, number)
    waiting = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
        if stopping.is_set():
            assert not callable(linger)
            await asyncio.wait((task,), timeout=linger)
            task.cancel()
        await task
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise
    finally:
        task.cancel()
        waiting.cancel()
        for number in SIGNALS:
            loop.remove_signal_handler(number)
