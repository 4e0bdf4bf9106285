"""pods.nft in a real kernel: loaded once, read back exactly, replaced without a gap."""

import asyncio
import ipaddress
import threading

import pytest

from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Delta
from podwire.engine.sink import SinkError
from podwire.kernel.element_row import ElementRow
from podwire.kernel.elements import Word
from podwire.kernel.nftables import Nftables
from podwire.kernel.setdump import SetDump
from podwire.pods.rows import cluster_rows
from podwire.pods.sink import SOURCES, TABLE, PodSetSink, load
from tests.pods.cluster import VXLAN
from tests.sandbox import sandboxed

IP = ipaddress.ip_address
POD = ElementRow("sources4", (Word("pw0123456789ab"), IP("10.244.1.2")))
POD6 = ElementRow("sources6", (Word("pw0123456789ab"), IP("fd00:10:244:1::2")))
OTHERS = frozenset(cluster_rows(VXLAN)) | {
    ElementRow("nodes4", (IP("172.18.0.2"),)),
    ElementRow("nodes4", (IP("172.18.0.3"),)),
    ElementRow("peers6", (IP("fd00:172:18::3"),)),
}


@sandboxed
async def test_rows_read_back_as_written_and_each_sink_sees_only_its_sets() -> None:
    sources, cluster = PodSetSink.sources_here(overlay=True), PodSetSink.cluster_here(overlay=True)
    assert list(await sources.read()) == []
    await sources.write(Delta((POD, POD6)))
    await cluster.write(Delta(tuple(OTHERS)))
    assert set(await sources.read()) == {POD, POD6}
    assert set(await cluster.read()) == OTHERS
    assert await sources.holds(POD)
    await sources.write(Delta(removals=(POD,)))
    assert set(await sources.read()) == {POD6}
    assert not await sources.holds(POD)


@sandboxed
async def test_another_release_of_the_rules_is_replaced_and_keeps_its_elements() -> None:
    nft = Nftables()
    sources, cluster = PodSetSink.sources_here(overlay=True), PodSetSink.cluster_here(overlay=True)
    assert list(await sources.read()) == []
    await sources.write(Delta((POD, POD6)))
    await cluster.write(Delta(tuple(OTHERS)))
    (version,) = [line.split()[1] for line in nft.run("list sets inet").splitlines() if "set version-" in line]
    nft.run(f"delete set {TABLE} {version}; add chain {TABLE} of-an-older-release")
    load(nft, SetDump(), overlay=True)
    assert "of-an-older-release" not in nft.run(f"list table {TABLE}")
    assert set(await sources.read()) == {POD, POD6}
    assert set(await cluster.read()) == OTHERS


@sandboxed
async def test_the_overlays_sets_and_rules_exist_with_an_overlay_only() -> None:
    nft = Nftables()
    direct = frozenset(row for row in OTHERS if row.collection.startswith(("ranges", "nodes")))
    assert OTHERS - direct
    await PodSetSink.sources_here(overlay=True).read()
    await PodSetSink.sources_here(overlay=True).write(Delta((POD,)))
    await PodSetSink.cluster_here(overlay=True).write(Delta(tuple(OTHERS)))
    for overlay, expected in ((False, direct), (True, direct)):
        assert set(await PodSetSink.cluster_here(overlay=overlay).read()) == expected
        assert set(await PodSetSink.sources_here(overlay=overlay).read()) == {POD}
        assert ("@peers4" in nft.run(f"list table {TABLE}")) == overlay


@sandboxed
async def test_this_release_is_not_loaded_twice() -> None:
    nft = Nftables()
    load(nft, SetDump(), overlay=False)
    nft.run(f"add chain {TABLE} still-there")
    load(nft, SetDump(), overlay=False)
    assert "still-there" in nft.run(f"list table {TABLE}")


@sandboxed
async def test_two_sinks_that_find_no_rules_load_them_once() -> None:
    """The first is held up between its question and its load, for as long as the second may take to fill its sets."""
    asked, filled = threading.Event(), threading.Event()

    class HeldUp:
        def __init__(self) -> None:
            self.nft = Nftables()

        def release(self) -> None:
            self.nft.release()

        def run(self, text: str) -> str:
            if not text.startswith("list set"):
                asked.set()
                filled.wait(0.5)
            return self.nft.run(text)

    async def second() -> None:
        await asyncio.to_thread(asked.wait, 5)
        cluster = PodSetSink.cluster_here(overlay=True)
        await cluster.read()
        await cluster.write(Delta(tuple(OTHERS)))
        filled.set()

    first = PodSetSink(HeldUp(), SetDump(), SOURCES, overlay=True)
    await asyncio.gather(first.read(), second())
    assert set(await PodSetSink.cluster_here(overlay=True).read()) == OTHERS


@sandboxed
async def test_a_refused_batch_is_an_error() -> None:
    nft = Nftables()
    load(nft, SetDump(), overlay=False)
    with pytest.raises(SinkError, match="No such file"):
        await PodSetSink(nft, SetDump(), SOURCES, False).write(Delta((ElementRow("absent", (1,)),)))


async def test_the_event_loop_runs_while_the_kernel_works() -> None:
    """Nftables waits here for something that only the loop does."""
    looped = threading.Event()

    class Slow:
        def release(self) -> None:
            """Nothing is remembered."""

        def run(self, _text: str) -> str:
            assert looped.wait(5), "the loop stood still"
            return ""

    writing = asyncio.create_task(PodSetSink(Slow(), SetDump(), SOURCES, False).write(Delta((POD,))))
    await asyncio.sleep(0)
    looped.set()
    await writing


@sandboxed
async def test_elements_that_something_else_changed_are_written_again() -> None:
    nft = Nftables()
    reconciler: Reconciler[str, ElementRow] = Reconciler(
        "rules of pods", lambda _: OTHERS, PodSetSink.cluster_here(overlay=True)
    )
    reconciler.inputs_synced()
    reconciler.touch("all")
    await reconciler.turn()
    for change, count in (
        (f"delete element {TABLE} nodes4 {{ 172.18.0.2 }}", 1),
        (f"flush set {TABLE} ranges4", 1),
        (f"add element {TABLE} nodes4 {{ 192.0.2.1 }}", 1),
        (f"delete table {TABLE}", len(OTHERS)),
    ):
        nft.run(change)
        reconciler.compare()
        await reconciler.turn()
        assert len(reconciler.differences) == count, change
        assert set(await PodSetSink.cluster_here(overlay=True).read()) == OTHERS, change
    reconciler.compare()
    await reconciler.turn()
    assert reconciler.differences == []
