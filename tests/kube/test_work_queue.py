import asyncio

import pytest

from podwire.kube.work_queue import FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS, DelayQueue, WorkQueue


def test_a_key_that_is_added_twice_is_worked_on_once() -> None:
    queue: DelayQueue[str] = DelayQueue()
    queue.add("a", at=0)
    queue.add("a", at=0)
    assert queue.take(now=0) == "a"
    queue.finished("a")
    assert queue.take(now=0) is None


def test_a_key_that_changes_while_it_is_worked_on_comes_again_afterwards_only() -> None:
    queue: DelayQueue[str] = DelayQueue()
    queue.add("a", at=0)
    assert queue.take(now=0) == "a"
    queue.add("a", at=1)
    assert queue.take(now=1) is None
    queue.finished("a")
    assert queue.take(now=1) == "a"


def test_keys_are_taken_when_due_and_the_earlier_time_counts() -> None:
    queue: DelayQueue[str] = DelayQueue()
    queue.add("late", at=9)
    queue.add("late", at=5)
    queue.add("late", at=7)
    assert (queue.take(now=4.9), queue.next_due()) == (None, 5)
    assert queue.take(now=5) == "late"
    queue.finished("late")
    assert queue.take(now=100) is None


def test_failures_wait_longer_and_longer_until_a_success() -> None:
    queue: DelayQueue[str] = DelayQueue()
    queue.add("a", at=0)
    delays = []
    for _ in range(12):
        assert queue.take(now=1000) == "a"
        delays.append(queue.failed("a", now=0))
    assert delays[:3] == [FIRST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2, FIRST_RETRY_SECONDS * 4]
    assert delays[-1] == LONGEST_RETRY_SECONDS
    assert queue.take(now=1000) == "a"
    queue.finished("a")
    queue.add("a", at=0)
    queue.take(now=0)
    assert queue.failed("a", now=0) == FIRST_RETRY_SECONDS


@pytest.mark.parametrize("workers", [1, 4])
async def test_one_key_has_one_worker_and_others_go_on(workers: int) -> None:
    busy: set[int] = set()
    done: list[int] = []
    finished = asyncio.Event()

    async def handle(key: int) -> None:
        assert key not in busy
        busy.add(key)
        await asyncio.sleep(0)
        busy.remove(key)
        done.append(key)
        if key == 0 and done.count(0) == 1:
            queue.add(0)
            raise RuntimeError("the first try fails")
        if set(done) == set(range(5)) and done.count(0) == 2:
            finished.set()

    queue: WorkQueue[int] = WorkQueue("test", handle, workers=workers)
    for key in range(5):
        queue.add(key)
    task = asyncio.create_task(queue.run())
    async with asyncio.timeout(60):
        await finished.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert done.count(0) == 2
