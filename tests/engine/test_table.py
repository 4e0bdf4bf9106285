import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.engine.row import Conflict
from podwire.engine.table import Rank, Table


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of a target that maps names to numbers."""

    name: str
    value: int
    stage: int = 0

    @property
    def key(self) -> Hashable:
        return self.name


def test_a_new_row_is_written_once() -> None:
    table: Table[str, Fact] = Table()
    table.replace("owner", [Fact("a", 1)])
    delta = table.delta(prune=True)
    assert delta.upserts == (Fact("a", 1),)
    table.written(delta)
    assert not table.delta(prune=True)


def test_a_row_takes_memory_once_however_often_it_is_claimed_and_read_back() -> None:
    table: Table[str, Fact] = Table()
    first, again, read = Fact("a", 1), Fact("a", 1), Fact("a", 1)
    table.replace("owner", [first])
    table.written(table.delta(prune=True))
    table.replace("owner", [again, Fact("b", 2)])
    table.observe([read])
    table.delta(prune=True)
    assert sys.getrefcount(first) > 3
    assert [sys.getrefcount(again), sys.getrefcount(read)] == [2, 2], "a variable and an argument"


def test_a_changed_value_replaces_the_old_row() -> None:
    table: Table[str, Fact] = Table()
    table.observe([Fact("a", 1)])
    table.replace("owner", [Fact("a", 2)])
    delta = table.delta(prune=True)
    assert (delta.upserts, delta.replaced, delta.removals) == ((Fact("a", 2),), (Fact("a", 1),), ())


def test_conflicts_name_the_rows_that_lose_and_who_has_the_key() -> None:
    table: Table[str, Fact] = Table(rank=lambda owner: (owner,))
    table.replace("younger", [Fact("a", 1), Fact("b", 1)])
    table.replace("elder", [Fact("a", 2), Fact("b", 1)])
    assert list(table.conflicts()) == [Conflict("younger", Fact("a", 1), "elder")]
    assert [*table.claimants(Fact("a", 1)), *table.claimants(Fact("b", 1))] == ["younger", "younger", "elder"]
    table.replace("elder", [])
    assert list(table.conflicts()) == []


def test_rows_of_each_type_that_the_target_holds_are_counted() -> None:
    table: Table[str, Fact] = Table()
    table.replace("owner", [Fact("a", 1), Fact("b", 1)])
    assert table.held_by_type() == {}
    table.written(table.delta(prune=True))
    assert table.held_by_type() == {Fact: 2}


def test_nothing_is_removed_without_prune() -> None:
    table: Table[str, Fact] = Table()
    table.observe([Fact("a", 1)])
    assert not table.delta(prune=False)
    assert table.delta(prune=True).removals == (Fact("a", 1),)


def test_only_rows_that_once_had_an_owner_are_removed_without_prune_strange() -> None:
    table: Table[str, Fact] = Table()
    table.observe([Fact("a", 1), Fact("b", 1)])
    table.replace("owner", [Fact("a", 1)])
    table.replace("owner", [])
    assert table.delta(prune=True, prune_unowned=False).removals == (Fact("a", 1),)


def test_a_row_that_was_dropped_before_a_failed_write_is_not_foreign_after_it() -> None:
    table: Table[str, Fact] = Table()
    table.observe([Fact("a", 1), Fact("b", 1)])
    table.replace("owner", [Fact("a", 1)])
    table.replace("owner", [])
    table.observe([Fact("a", 1), Fact("b", 1)])
    assert table.delta(prune=True, prune_unowned=False).removals == (Fact("a", 1),)


def test_upserts_rise_through_the_stages_and_removals_fall() -> None:
    table: Table[str, Fact] = Table()
    table.observe([Fact("x", 0, stage=0), Fact("y", 0, stage=1)])
    table.replace("owner", [Fact("b", 0, stage=1), Fact("a", 0, stage=0)])
    delta = table.delta(prune=True)
    assert [row.name for row in delta.upserts] == ["a", "b"]
    assert [row.name for row in delta.removals] == ["y", "x"]


def test_an_equal_row_of_two_owners_exists_until_both_release_it() -> None:
    table: Table[str, Fact] = Table()
    shared = Fact("a", 1)
    table.replace("one", [shared])
    table.replace("two", [shared])
    table.written(table.delta(prune=True))
    table.replace("one", [])
    assert not table.delta(prune=True)
    table.replace("two", [])
    assert table.delta(prune=True).removals == (shared,)


def test_the_smallest_of_conflicting_rows_is_written_and_the_next_follows_it() -> None:
    table: Table[str, Fact] = Table()
    table.replace("one", [Fact("a", 2)])
    table.replace("two", [Fact("a", 1)])
    assert table.desired("a") == Fact("a", 1)
    table.replace("two", [])
    assert table.desired("a") == Fact("a", 2)


SENIORITY = {"old": ("1",), "young": ("2",)}


@pytest.mark.parametrize("first", ["old", "young"])
def test_of_conflicting_rows_that_of_the_senior_owner_stays_whichever_came_first(first: str) -> None:
    table: Table[str, Fact] = Table(SENIORITY.__getitem__)
    rows = {"old": Fact("a", 2), "young": Fact("a", 1)}
    for owner in (first, *(rows.keys() - {first})):
        table.replace(owner, [rows[owner], Fact(owner, 0)])
    assert table.desired("a") == rows["old"]
    table.replace("old", [])
    assert table.desired("a") == rows["young"]
    table.replace("old", [rows["old"]])
    assert table.desired("a") == rows["old"]


def test_an_owner_that_was_made_again_loses_its_seniority() -> None:
    seniority = dict(SENIORITY)
    table: Table[str, Fact] = Table(lambda owner: seniority[owner])
    table.replace("old", [Fact("a", 2)])
    table.replace("young", [Fact("a", 1)])
    seniority["old"] = ("3",)
    table.replace("old", [Fact("a", 2)])
    assert table.desired("a") == Fact("a", 1)


def test_a_refused_row_is_left_out_until_it_is_another_one() -> None:
    table: Table[str, Fact] = Table()
    table.replace("owner", [Fact("a", 1), Fact("b", 1)])
    assert table.refuse(Fact("a", 1), "no")
    assert not table.refuse(Fact("a", 1), "no"), "that is known"
    assert table.delta(prune=True).upserts == (Fact("b", 1),)
    assert set(table.delta(prune=True, retry=True).upserts) == {Fact("a", 1), Fact("b", 1)}
    assert [str(each) for each in table.refusals("owner")] == ["refused: Fact(name='a', value=1, stage=0): no"]
    table.replace("owner", [Fact("a", 2)])
    assert table.delta(prune=True).upserts == (Fact("a", 2),)
    table.written(table.delta(prune=True))
    assert table.refusals() == []


def test_what_is_wanted_during_a_write_stays_open() -> None:
    table: Table[str, Fact] = Table()
    table.replace("owner", [Fact("a", 1)])
    delta = table.delta(prune=True)
    table.replace("owner", [Fact("a", 2)])
    table.written(delta)
    assert table.delta(prune=True).upserts == (Fact("a", 2),)


def test_a_row_wanted_again_during_its_removal_is_written_again() -> None:
    table: Table[str, Fact] = Table()
    table.observe([Fact("a", 1)])
    delta = table.delta(prune=True)
    table.replace("owner", [Fact("a", 1)])
    table.written(delta)
    assert table.delta(prune=True).upserts == (Fact("a", 1),)


def test_an_owner_without_rows_is_removed() -> None:
    table: Table[str, Fact] = Table()
    table.replace("owner", [Fact("a", 1)])
    assert table.owners() == {"owner"}
    table.replace("owner", [])
    assert table.owners() == frozenset()
    assert list(table.rows()) == []


facts = st.builds(Fact, st.sampled_from("abcd"), st.integers(0, 3))
wishes = st.dictionaries(st.sampled_from(["one", "two", "three"]), st.lists(facts, max_size=4), max_size=3)
steps = st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.lists(facts, max_size=4)), max_size=12)


def by_name(owner: str) -> Rank:
    return (owner,)


def nobody_is_senior(_owner: str) -> Rank:
    return ()


@pytest.mark.parametrize("rank", [nobody_is_senior, by_name])
@given(steps, wishes, st.lists(facts, max_size=4))
def test_the_outcome_depends_on_the_wanted_rows_not_on_their_history(
    rank: Callable[[str], Rank], history: list[tuple[str, list[Fact]]], last: dict[str, list[Fact]], held: list[Fact]
) -> None:
    fresh: Table[str, Fact] = Table(rank)
    for owner in sorted(last):
        fresh.replace(owner, last[owner])
    used: Table[str, Fact] = Table(rank)
    used.observe(held)
    target = {row.key: row for row in held}
    for owner, rows in [*history, *((owner, last.get(owner, [])) for owner in ("three", "two", "one"))]:
        used.replace(owner, rows)
        delta = used.delta(prune=True)
        for row in delta.removals:
            assert target.pop(row.key) == row
        target.update({row.key: row for row in delta.upserts})
        used.written(delta)
    assert target == {row.key: row for row in fresh.rows()}


def test_an_owner_with_a_single_row_gets_more_and_gives_them_back() -> None:
    table: Table[str, Fact] = Table()
    for rows in ([Fact("a", 1)], [Fact("a", 1), Fact("b", 1)], [Fact("b", 1), Fact("b", 1)], [Fact("b", 2)], []):
        table.replace("owner", rows)
        assert table.claimed("owner") == set(rows) == set(table.rows())
        table.written(table.delta(prune=True))
