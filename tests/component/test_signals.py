import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from podwire.component.signals import run_until_signal


class Work:
    """Work that sends a signal to its own process, and notes how it ended."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act
        self.ended = ""

    async def run(self) -> None:
        try:
            self.act()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.ended = "cleaned up"
            raise


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_work_and_waits_until_it_has_cleaned_up(number: signal.Signals) -> None:
    work = Work(lambda: os.kill(os.getpid(), number))
    async with asyncio.timeout(60):
        await run_until_signal(work.run())
    assert work.ended == "cleaned up"


async def test_work_continues_while_it_lingers() -> None:
    async def run() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0.05)
        done.append(1)

    done: list[int] = []
    async with asyncio.timeout(60):
        await run_until_signal(run(), linger=4)
    assert done == [1]


async def test_what_the_work_raises_is_raised_before_and_after_a_signal() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    async def fail_late() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            raise ValueError("broken while it ended")

    for work in (fail, fail_late):
        with pytest.raises(ValueError, match="broken"):
            await run_until_signal(work())


async def test_the_handlers_are_gone_afterwards() -> None:
    await run_until_signal(asyncio.sleep(0))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_cancelling_it_cancels_the_work() -> None:
    work = Work(lambda: None)
    task = asyncio.create_task(run_until_signal(work.run()))
    while not task.done():
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()
    assert work.ended in {"cleaned up", ""}
