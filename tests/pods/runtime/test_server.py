import asyncio

import pytest

from podwire.pods.runtime.server import ContainerLocks


async def test_one_container_at_a_time_others_at_once() -> None:
    locks, log = ContainerLocks(), list[str]()
    gate = asyncio.Event()

    async def work(name: str, container: str) -> None:
        async with locks.hold(container):
            log.append(f"{name} begins")
            await gate.wait()
            log.append(f"{name} ends")

    async with asyncio.TaskGroup() as tasks:
        for name, container in (("1", "a"), ("2", "a"), ("3", "b")):
            tasks.create_task(work(name, container))
        for _ in range(10):
            await asyncio.sleep(0)
        assert log == ["1 begins", "3 begins"]
        gate.set()
    assert log.index("2 begins") > log.index("1 ends")


async def test_a_cancelled_wait_for_a_container_blocks_no_other() -> None:
    locks = ContainerLocks()
    async with locks.hold("a"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), locks.hold("a"):
                pytest.fail("another one was at work")
    async with asyncio.timeout(60), locks.hold("a"):
        pass
