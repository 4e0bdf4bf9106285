import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import ClassVar

import pytest

from podwire.engine import reconcile
from podwire.engine.reconcile import MOST_REFUSED, ROWS_A_PIECE, Reconciler
from podwire.engine.row import Delta
from podwire.engine.sink import FakeSink, RefusedError, SinkError
from tests.engine.test_table import Fact

DEADLINE_SECONDS = 30


class World:
    """The numbers that each owner wants at the moment; one that is no number raises."""

    def __init__(self, **requested: Mapping[str, object]) -> None:
        self.requested: dict[str, Mapping[str, object]] = dict(requested)

    def derive(self, owner: str) -> Iterable[Fact]:
        for name, value in self.requested.get(owner, {}).items():
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


async def test_touched_rows_are_written_after_settle() -> None:
    world, sink = World(one={"a": 1}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.inputs_synced()
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
        assert values(sink) == {"a": 1}
        world.requested["one"] = {"b": 2}
        reconciler.touch("one")
        await reconciler.settle()
    assert values(sink) == {"b": 2}


async def test_many_touches_are_one_batch() -> None:
    world, sink = World(**{f"o{n}": {f"k{n}": n} for n in range(250)}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    async with running(reconciler):
        reconciler.touch(*world.requested)
        await reconciler.settle()
    assert len(sink.batches) == 1
    assert len(sink.held) == 250


async def test_independent_owners_are_written_in_parts_to_an_empty_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "OWNERS_A_PART", 2)
    world, sink = World(**{name: {name: 1, "shared": ord(name)} for name in "abcde"}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink, rank=lambda owner: (owner,), independent=True)
    reconciler.inputs_synced()
    async with running(reconciler):
        reconciler.touch(*"edcba")
        await reconciler.settle()
        assert len(sink.batches) == 3
        assert values(sink) == {**dict.fromkeys("abcde", 1), "shared": ord("a")}
        world.requested = {name: {name: 2} for name in "abcde"}
        reconciler.touch(*"abcde")
        await reconciler.settle()
    assert len(sink.batches) == 4, "what the target holds is changed in one batch"
    assert values(sink) == dict.fromkeys("abcde", 2)


@pytest.mark.parametrize("failing", [1, 3])
async def test_a_part_that_fails_is_tried_again(failing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "OWNERS_A_PART", 1)
    monkeypatch.setattr(reconcile, "FIRST_RETRY_SECONDS", 0.001)
    world, sink = World(a={"a": 1}, b={"b": 2}, c={"c": 3}), FakeSink[Fact]()
    sink.fail = failing
    reconciler = Reconciler("test", world.derive, sink, independent=True)
    async with running(reconciler):
        reconciler.touch("a", "b", "c")
        await reconciler.settle()
    assert values(sink) == {"a": 1, "b": 2, "c": 3}
    assert reconciler.counters.failures


async def test_nothing_is_pruned_before_complete() -> None:
    world, sink = World(one={"a": 1}), FakeSink([Fact("left over", 9)])
    reconciler = Reconciler("test", world.derive, sink)
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
        assert values(sink) == {"a": 1, "left over": 9}
        reconciler.inputs_synced()
        await reconciler.settle()
    assert values(sink) == {"a": 1}


async def test_only_the_difference_is_written_after_a_restart() -> None:
    world, sink = World(one={"a": 1, "b": 2}), FakeSink([Fact("a", 1)])
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.inputs_synced()
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
    assert sink.batches == [Delta((Fact("b", 2),))]


async def test_what_something_else_removed_is_written_again_once_it_is_known() -> None:
    world, sink = World(one={"a": 1}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.inputs_synced()
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
        sink.held.clear()
        reconciler.touch("one")
        await reconciler.settle()
        assert values(sink) == {}
        reconciler.read_again()
        await reconciler.settle()
    assert values(sink) == {"a": 1}


async def test_a_failed_batch_is_read_back_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    world, sink = World(one={"a": 1, "b": 2, "c": 3}), FakeSink([Fact("old", 0)])
    sink.fail = 2
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.inputs_synced()
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
    assert values(sink) == {"a": 1, "b": 2, "c": 3}
    assert len(sink.batches) == 1
    assert len(sink.batches[0].upserts) < 3, "what had landed before the error is not written again"
    assert "the fake sink fails on demand" in caplog.text


async def test_an_owner_that_cannot_be_derived_keeps_its_rows_and_stops_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world, sink = World(bad={"a": 1}, good={"b": 1}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.inputs_synced()
    async with running(reconciler):
        reconciler.touch("bad", "good")
        await reconciler.settle()
        world.requested = {"bad": {"z": 5, "a": "one"}, "good": {"b": 2}}
        reconciler.touch("bad", "good")
        await reconciler.settle()
        assert values(sink) == {"a": 1, "b": 2}
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        assert "the rows of bad cannot be derived" in caplog.text
        assert list(reconciler.underivable) == ["bad"]
        world.requested["bad"] = {"a": 3}
        reconciler.touch("bad")
        await reconciler.settle()
        assert not reconciler.underivable
    assert values(sink) == {"a": 3, "b": 2}


async def test_rows_that_may_be_of_an_owner_that_cannot_be_derived_survive_a_restart() -> None:
    world, sink = World(bad={"a": "one"}, good={"b": 1}), FakeSink([Fact("a", 1)])
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.inputs_synced()
    async with running(reconciler):
        reconciler.touch("bad", "good")
        await reconciler.settle()
        world.requested["good"] = {"c": 1}
        reconciler.touch("good")
        await reconciler.settle()
        assert values(sink) == {"a": 1, "c": 1}, "the good owner's own rows are removed all the same"
        world.requested["bad"] = {}
        reconciler.touch("bad")
        await reconciler.settle()
    assert values(sink) == {"c": 1}


async def test_restore_gets_the_targets_rows_before_anything_is_derived() -> None:
    received: list[object] = []

    def derive(_owner: str) -> Iterable[Fact]:
        received.append("derive")
        return ()

    reconciler = Reconciler("test", derive, FakeSink([Fact("a", 1)]), restore=received.extend)
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
    assert received == [Fact("a", 1), "derive"]


async def test_changes_that_never_end_do_not_delay_settle() -> None:
    """Another change comes during each write, as on a busy cluster."""
    world, sink = World(one={"a": 1}, other={"b": 0}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    written: list[Delta[Fact]] = []

    async def write(delta: Delta[Fact]) -> None:
        world.requested["other"] = {"b": len(written)}
        reconciler.touch("other")
        await FakeSink.write(sink, delta)
        written.append(delta)

    sink.write = write  # type: ignore[method-assign]
    async with running(reconciler):
        reconciler.touch("one", "other")
        await reconciler.settle()
    assert values(sink)["a"] == 1
    assert written, "the changes go on"


async def test_settle_waits_for_a_change_that_came_during_the_turn() -> None:
    world, sink = World(one={"a": 1}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    settled: list[asyncio.Task[None]] = []

    async def write(delta: Delta[Fact]) -> None:
        if not settled:
            world.requested["one"] = {"a": 2}
            reconciler.touch("one")
            settled.append(asyncio.create_task(reconciler.settle()))
        await FakeSink.write(sink, delta)

    sink.write = write  # type: ignore[method-assign]
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
        await settled[0]
        assert values(sink) == {"a": 2}


async def test_a_cancelled_settle_stops_no_other() -> None:
    world, sink = World(one={"a": 1}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    impatient = asyncio.create_task(reconciler.settle())
    await asyncio.sleep(0)
    impatient.cancel()
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
    assert values(sink) == {"a": 1}


async def test_a_refused_row_stops_no_other_and_its_owner_gets_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    many = {f"k{n}": n for n in range(2 * ROWS_A_PIECE)}
    world, sink = World(bad={"a": 1, "fine": 2}, good=many), FakeSink([Fact("left over", 9)], refuses={"a"})
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.inputs_synced()
    async with running(reconciler):
        reconciler.touch("bad", "good")
        await reconciler.settle("good")
        with pytest.raises(RefusedError, match=r"test: .*'a'.* is refused: the fake sink refuses 'a'"):
            await reconciler.settle("bad")
        assert values(sink) == {"fine": 2, **many}
        assert [line for line in reconciler.lines() if line.startswith("refused: ")] == [
            "refused: Fact(name='a', value=1, stage=0): the fake sink refuses 'a'"
        ]
        assert reconciler.counters.refused == 1
        assert "is refused and left out" in caplog.text
        batches = len(sink.batches)
        world.requested["good"] = {"z": 1}
        reconciler.touch("good")
        await reconciler.settle("good")
        assert len(sink.batches) == batches + 1, "the refused row is not tried with every batch"
        world.requested["bad"] = {"b": 1}
        reconciler.touch("bad")
        await reconciler.settle("bad")
    assert values(sink) == {"b": 1, "z": 1}
    assert reconciler.table.refusals() == []


async def test_a_refused_removal_is_reported_to_the_last_owner_of_the_row() -> None:
    world, sink = World(one={"a": 1}, other={"b": 1}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.inputs_synced()
    async with running(reconciler):
        reconciler.touch("one", "other")
        await reconciler.settle("one", "other")
        sink.refuses = {"a"}
        world.requested = {}
        reconciler.touch("one", "other")
        await reconciler.settle("other")
        with pytest.raises(RefusedError, match="the fake sink refuses 'a'"):
            await reconciler.settle("one")
    assert values(sink) == {"a": 1}


async def test_a_refused_row_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "RETRY_REFUSED_SECONDS", 0.01)
    world, sink = World(one={"a": 1}), FakeSink[Fact](refuses={"a"})
    reconciler = Reconciler("test", world.derive, sink)
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
        sink.refuses = ()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while reconciler.table.refusals():  # noqa: ASYNC110  nothing reports that a minute has passed
                await asyncio.sleep(0.001)
        await reconciler.settle("one")
    assert values(sink) == {"a": 1}


async def test_a_refused_row_is_tried_again_also_where_changes_never_cease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "RETRY_REFUSED_SECONDS", 0.2)
    world, sink = World(one={"a": 1}), FakeSink[Fact](refuses={"a"})
    reconciler = Reconciler("test", world.derive, sink)
    async with running(reconciler):
        reconciler.touch("one")
        await reconciler.settle()
        sink.refuses = ()
        number = 0
        while "a" not in values(sink):
            number += 1
            world.requested["other"] = {"b": number}
            reconciler.touch("other")
            await reconciler.settle()
            await asyncio.sleep(0.001)
        assert not reconciler.table.refusals()
    assert number > 1


async def test_a_row_that_stays_refused_is_tried_ever_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "FIRST_RETRY_REFUSED_SECONDS", 0.01)
    monkeypatch.setattr(reconcile, "RETRY_REFUSED_SECONDS", 0.04)
    loop = asyncio.get_running_loop()
    world, sink = World(one={"a": 1}), _Timed(loop.time)
    reconciler = Reconciler("test", world.derive, sink)
    async with running(reconciler):
        reconciler.touch("one")
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(sink.refused_at) < 7:  # noqa: ASYNC110  nothing reports that a row is refused again
                await asyncio.sleep(0.001)
    pauses = [after - before for before, after in zip(sink.refused_at[2:], sink.refused_at[3:], strict=False)]
    assert all(pause >= least for pause, least in zip(pauses, (0.01, 0.02, 0.04, 0.04), strict=True)), pauses


class _Timed(FakeSink[Fact]):
    """A sink that refuses, and records when."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(refuses={"a"})
        self.refused_at: list[float] = []
        self._clock = clock

    async def write(self, delta: Delta[Fact]) -> None:
        self.refused_at.append(self._clock())
        await super().write(delta)


class _Reversed(FakeSink[Fact]):
    """A sink whose batches go from the last name to the first, each row by itself."""

    async def in_order(self, delta: Delta[Fact]) -> list[Delta[Fact]]:
        return [Delta((row,)) for row in sorted(delta.upserts, key=lambda row: row.name, reverse=True)]


class _Gaps(FakeSink[Fact]):
    """A sink whose order has batches without rows, which it cannot write either."""

    async def in_order(self, delta: Delta[Fact]) -> list[Delta[Fact]]:
        return [Delta(), delta, Delta()]

    async def write(self, delta: Delta[Fact]) -> None:
        if not delta:
            raise SinkError("nothing to write")
        await super().write(delta)


async def test_a_batch_without_rows_is_not_written_while_a_refused_row_is_searched_for() -> None:
    world, sink = World(one={"a": 1, "b": 2}), _Gaps(refuses={"b"})
    reconciler = Reconciler("test", world.derive, sink)
    async with running(reconciler):
        reconciler.touch("one")
        with pytest.raises(RefusedError, match="the fake sink refuses 'b'"):
            await reconciler.settle("one")
    assert values(sink) == {"a": 1}


async def test_what_comes_after_a_refused_row_is_derived_again_first() -> None:
    """The order is the sink's."""
    world, sink = World(door={"b": 1}, open={"a": 1}, other={"c": 1}), _Reversed(refuses={"b"})

    def derive(owner: str) -> Iterable[Fact]:
        return () if owner == "open" and reconciler.table.refusals("door") else world.derive(owner)

    reconciler: Reconciler[str, Fact] = Reconciler("test", derive, sink, affected=lambda _: ["open"])
    reconciler.touch("door", "open", "other")
    await reconciler.turn(isolate=True)
    assert [row.name for batch in sink.batches for row in batch.upserts] == ["c"]
    sink.refuses = ()
    await reconciler.turn(isolate=True, retry=True)
    await reconciler.turn()
    assert values(sink) == {"a": 1, "b": 1, "c": 1}


async def test_a_row_that_stays_refused_stops_no_later_one_from_being_tried_again() -> None:
    world, sink = World(first={"b": 1}, second={"a": 1}), _Reversed(refuses={"a", "b"})
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.touch("first", "second")
    await reconciler.turn(isolate=True)
    assert {refusal.row.name for refusal in reconciler.table.refusals()} == {"a", "b"}
    sink.refuses = {"b"}
    await reconciler.turn(isolate=True, retry=True)
    assert values(sink) == {"a": 1}
    assert [refusal.row.name for refusal in reconciler.table.refusals()] == ["b"]


class _Everything:
    def __contains__(self, key: object) -> bool:
        return True


async def test_a_target_that_refuses_everything_is_at_fault_itself() -> None:
    world, sink = World(one={f"k{n}": n for n in range(MOST_REFUSED + 1)}), FakeSink[Fact](refuses=_Everything())
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.touch("one")
    with pytest.raises(SinkError):
        await reconciler.turn(isolate=True)
    sink.refuses = ()
    await reconciler.turn()
    assert len(sink.held) == MOST_REFUSED + 1
    assert reconciler.table.refusals() == []


async def test_what_something_else_changed_is_written_again_and_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    world, sink = World(one={"a": 1, "b": 2, "c": 3}), FakeSink[Fact]()
    reconciler = Reconciler("test", world.derive, sink)
    reconciler.inputs_synced()
    reconciler.touch("one")
    await reconciler.turn()
    reconciler.compare()
    await reconciler.turn()
    assert (reconciler.differences, reconciler.counters.repaired, len(sink.batches)) == ([], 0, 1)
    del sink.held["a"]
    sink.held |= {"b": Fact("b", 7), "z": Fact("z", 9)}
    await reconciler.turn()
    assert values(sink) == {"b": 7, "c": 3, "z": 9}, "nothing is read without a comparison"
    reconciler.compare()
    await reconciler.turn()
    assert values(sink) == {"a": 1, "b": 2, "c": 3}
    assert (len(reconciler.differences), reconciler.counters.repaired) == (3, 3)
    assert [len(batch) for batch in sink.batches] == [3, 3]
    assert "something else changed the kernel" in caplog.text
    reconciler.compare()
    await reconciler.turn()
    assert (reconciler.differences, reconciler.counters.repaired) == ([], 3)


async def test_a_row_that_cannot_be_read_back_is_not_missed() -> None:
    class Unreadable(Fact):
        is_readable: ClassVar[bool] = False

    sink = FakeSink[Fact]()
    reconciler: Reconciler[str, Fact] = Reconciler("test", lambda _: [Unreadable("a", 1)], sink)
    reconciler.touch("one")
    await reconciler.turn()
    sink.held.clear()
    reconciler.compare()
    await reconciler.turn()
    assert reconciler.differences == []
