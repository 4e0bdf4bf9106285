"""The agent compares its tables with the kernel after changes of nftables alone, and repairs what differs."""

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterable

from podwire.agent import readback
from podwire.agent.readback import Readback
from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Delta
from podwire.kernel.element_row import ElementRow
from podwire.kernel.nftables import Nftables
from podwire.pods.sink import TABLE, PodSetSink
from tests.sandbox import sandboxed

ROW = ElementRow("nodes4", (ipaddress.ip_address("172.18.0.2"),))
LIMIT_SECONDS = 30.0


class Counted:
    """A sink that counts how often it is read."""

    def __init__(self, sink: PodSetSink) -> None:
        self._sink = sink
        self.reads = 0

    async def read(self) -> Iterable[ElementRow]:
        self.reads += 1
        return await self._sink.read()

    async def write(self, delta: Delta[ElementRow]) -> None:
        await self._sink.write(delta)


class Pauses:
    """The loop's pauses without waiting: how many there were."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, seconds: float) -> None:
        assert seconds >= readback.EVERY_SECONDS
        self.count += 1
        await asyncio.sleep(0.005)

    async def next(self, more: int) -> None:
        until = self.count + more
        while self.count < until:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@sandboxed
async def test_a_deleted_element_is_written_again_and_a_quiet_kernel_is_not_read() -> None:
    sink, ready, pauses = Counted(PodSetSink.cluster_here()), asyncio.Event(), Pauses()
    reconciler: Reconciler[str, ElementRow] = Reconciler("rules of pods", lambda _: [ROW], sink)
    reconciler.inputs_synced()
    reconciler.touch("all")
    tasks = [
        asyncio.create_task(reconciler.run()),
        asyncio.create_task(Readback(lambda: [reconciler], pauses).run(ready)),
    ]
    async with asyncio.timeout(LIMIT_SECONDS):
        await reconciler.settle()
        ready.set()
        await pauses.next(3)
        reads = sink.reads
        await pauses.next(5)
        assert sink.reads == reads, "nothing changed nftables"
        Nftables().run(f"delete element {TABLE} nodes4 {{ 172.18.0.2 }}")
        await pauses.next(3)
        assert list(await PodSetSink.cluster_here().read()) == [ROW]
        assert reconciler.counters.repaired == 1
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
