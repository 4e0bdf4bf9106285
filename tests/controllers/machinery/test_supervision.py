import asyncio

import pytest

from podwire.controllers.machinery import supervision
from podwire.controllers.machinery.supervision import supervised


async def test_work_that_fails_is_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervision, "FIRST_RESTART_SECONDS", 0.001)
    tries = 0
    third = asyncio.Event()

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise RuntimeError("broken")
        third.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(supervised("the work", work))
    async with asyncio.timeout(60):
        await third.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert caplog.text.count("the work failed") == 2
