from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.kube.backends import Backend
from podwire.services.slots import AFFINE_SIZES, EXACT, SIZES, place, size_for


def backends(*numbers: int) -> tuple[Backend, ...]:
    return tuple(Backend(f"10.{number >> 8}.{number & 255}.1", 80) for number in numbers)


def test_slots_are_dense_and_each_endpoint_has_one() -> None:
    assert place((), backends(3, 1, 2)) == backends(1, 2, 3)


def test_the_last_one_moves_into_the_hole_and_no_other_moves() -> None:
    assert place(backends(1, 2, 3, 4), backends(1, 3, 4)) == backends(1, 4, 3)


def test_when_the_last_one_is_removed_none_moves() -> None:
    assert place(backends(2, 1, 3), backends(1, 2)) == backends(2, 1)


def test_a_new_one_takes_the_next_number() -> None:
    assert place(backends(2, 3), backends(1, 2, 3)) == backends(2, 3, 1)


def test_without_endpoints_there_are_no_slots() -> None:
    assert place(backends(1), ()) == ()


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("count", [1, 8, 9, EXACT, EXACT + 1, 128, 129, 250, 512, 1024])
def test_every_endpoint_is_drawn_about_as_often_as_another(count: int, affine: bool) -> None:
    if affine and count > 512:
        return
    placed = place((), backends(*range(count)), affine=affine)
    shares = Counter(placed)
    assert len(placed) == size_for(count, affine=affine)
    assert set(shares) == set(backends(*range(count)))
    assert max(shares.values()) <= 1.5 * min(shares.values())


def test_past_the_largest_size_the_first_endpoints_are_used() -> None:
    assert place((), backends(*range(3000))) == tuple(sorted(backends(*range(3000))))[:2048]
    assert set(place((), backends(*range(600)), affine=True)) == set(sorted(backends(*range(600)))[:512])


def test_few_slots_change_when_one_of_many_endpoints_goes() -> None:
    before = place((), backends(*range(200)))
    after = place(before, backends(*range(199)))
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    assert changed <= 3


numbers = st.sets(st.integers(0, 90))


@given(st.lists(numbers, max_size=5), numbers)
def test_any_history_fills_all_slots_evenly(history: list[set[int]], last: set[int]) -> None:
    placed: tuple[Backend, ...] = ()
    for step in [*history, last]:
        placed = place(placed, backends(*step))
    shares = Counter(placed)
    assert set(shares) == set(backends(*last))
    assert len(placed) == (size_for(len(last)) if last else 0)
    assert not placed or max(shares.values()) - min(shares.values()) <= 1


@given(numbers, st.integers(0, 90))
def test_the_same_endpoints_again_change_nothing(some: set[int], extra: int) -> None:
    placed = place(place((), backends(*some, extra)), backends(*some))
    assert place(placed, reversed(backends(*some))) == placed


def test_there_is_a_chain_for_every_number_of_slots() -> None:
    assert {size_for(count) for count in range(1, 3000)} == set(SIZES)
    assert {size_for(count, affine=True) for count in range(1, 600)} == set(AFFINE_SIZES)
