import asyncio
import threading

import pytest

from podwire.kernel import worker
from podwire.kernel.worker import Worker


async def test_calls_run_in_one_thread_which_rests_after_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "REST_SECONDS", 0.01)
    rested = asyncio.Event()
    threads: list[int] = []

    def rest() -> None:
        threads.append(threading.get_ident())
        loop.call_soon_threadsafe(rested.set)

    loop = asyncio.get_running_loop()
    worked = Worker("test", rest)
    called = [await worked.run(threading.get_ident) for _ in range(3)]
    async with asyncio.timeout(60):
        await rested.wait()
    assert set(threads) == set(called)
    assert threading.get_ident() not in threads


async def test_an_error_is_raised_to_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        await Worker("test").run(divmod, 1, 0)
