import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Mapping

import pytest

from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Delta
from podwire.engine.sink import FakeSink
from tests.engine.test_table import Fact

DEADLINE_SECONDS = 5


class World:
    """What each owner asks for at the moment; asking for a number that is no number raises."""

    def __init__(self, **asked: Mapping[str, object]) -> None:
        self.asked: dict[str, Mapping[str, object]] = dict(asked)

    def derive(self, owner: str) -> Iterable[Fact]:
        for name, value in self.asked.get(owner, {}).items():
            if not isinstance(value, int):
                raise TypeError(f"{value!r} is no number")
            yield Fact(name, value)


@contextlib.asynccontextmanager
async def running(reconciler: Reconciler[str, Fact]) -> AsyncIterator[None]:
    task = asyncio.create_task(reconciler.run())
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def values(sink: FakeSink[Fact]) -> dict[str, int]:
    return {row.name: row.value for row in sink.held.values()}


async def test_what_is_touched_stands_after_settle() -> None:
    world, sink = World(one={"a": 1}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.complete()
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
        assert values(sink) == {"a": 1}
        world.asked["one"] = {"b": 2}
        reconciler.touch("one")
        await reconciler.settle()
    assert values(sink) == {"b": 2}


async def test_many_touches_are_one_batch() -> None:
    world, sink = World(**{f"o{n}": {f"k{n}": n} for n in range(250)}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    async with running(reconciler):
        reconciler.touch(*world.asked)
        await reconciler.settle()
    assert len(sink.batches) == 1
    assert len(sink.held) == 250


async def test_nothing_is_pruned_before_complete() -> None:
    world, sink = World(one={"a": 1}), FakeSink([Fact("left over", 9)])
    reconciler = Reconciler("test", world.derive, sink)
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
        assert values(sink) == {"a": 1, "left over": 9}
        reconciler.complete()
        await reconciler.settle()
    assert values(sink) == {"a": 1}


async def test_only_the_difference_is_written_after_a_restart() -> None:
    world, sink = World(one={"a": 1, "b": 2}), FakeSink([Fact("a", 1)])
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.complete()
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
    assert sink.batches == [Delta((Fact("b", 2),))]


async def test_a_failed_batch_is_read_back_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    world, sink = World(one={"a": 1, "b": 2, "c": 3}), FakeSink([Fact("old", 0)])
    sink.fail = 2
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.complete()
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
    assert values(sink) == {"a": 1, "b": 2, "c": 3}
    assert len(sink.batches) == 1
    assert len(sink.batches[0].upserts) < 3, "what had landed before the error is not written again"
    assert "the fake sink was told to fail" in caplog.text


async def test_an_owner_that_cannot_be_derived_keeps_its_rows_and_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, sink = World(bad={"a": 1}, good={"b": 1}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.complete()
    async with running(reconciler):
        reconciler.touch("bad", "good")
        await reconciler.settle()
        world.asked = {"bad": {"z": 5, "a": "one"}, "good": {"b": 2}}
        reconciler.touch("bad", "good")
        await reconciler.settle()
        assert values(sink) == {"a": 1, "b": 2}
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert "the rows of bad cannot be derived" in caplog.text
        world.asked["bad"] = {"a": 3}
        reconciler.touch("bad")
        await reconciler.settle()
    assert values(sink) == {"a": 3, "b": 2}


async def test_rows_that_may_be_of_an_owner_that_cannot_be_derived_survive_a_restart() -> None:
    world, sink = World(bad={"a": "one"}, good={"b": 1}), FakeSink([Fact("a", 1)])
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.complete()
    async with running(reconciler):
        reconciler.touch("bad", "good")
        await reconciler.settle()
        world.asked["good"] = {"c": 1}
        reconciler.touch("good")
        await reconciler.settle()
        assert values(sink) == {"a": 1, "c": 1}, "the good owner's own rows are removed all the same"
        world.asked["bad"] = {}
        reconciler.touch("bad")
        await reconciler.settle()
    assert values(sink) == {"c": 1}


async def test_restore_hears_what_the_target_holds_before_anything_is_derived() -> None:
    heard: list[object] = []

    def derive(_owner: str) -> Iterable[Fact]:
        heard.append("derive")
        return ()

    reconciler = Reconciler("test", derive, FakeSink([Fact("a", 1)]), restore=heard.extend)
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
    assert heard == [Fact("a", 1), "derive"]
