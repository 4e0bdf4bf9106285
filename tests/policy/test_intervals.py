import itertools

from hypothesis import given
from hypothesis import strategies as st

from podwire.policy.intervals import Interval, disjoint, union, without

intervals = st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda pair: (min(pair), max(pair)))


def points(found: Interval) -> set[int]:
    return set(range(found[0], found[1] + 1))


@given(st.lists(intervals))
def test_a_union_holds_the_same_numbers_in_intervals_that_do_not_touch(given_ones: list[Interval]) -> None:
    merged = union(given_ones)
    assert set().union(*map(points, merged)) == set().union(*map(points, given_ones))
    assert all(left[1] + 1 < right[0] for left, right in itertools.pairwise(merged))


@given(intervals, st.lists(intervals))
def test_holes_are_cut_out(interval: Interval, holes: list[Interval]) -> None:
    left = list(without(interval, holes))
    assert set().union(*map(points, left)) == points(interval).difference(*map(points, holes))


@given(st.lists(st.tuples(intervals, intervals), max_size=8))
def test_disjoint_areas_hold_each_point_once(areas: list[tuple[Interval, Interval]]) -> None:
    found = list(disjoint(areas))
    cut = [point for across, down in found for point in itertools.product(points(across), points(down))]
    assert len(cut) == len(set(cut))
    assert set(cut) == {p for across, down in areas for p in itertools.product(points(across), points(down))}


def test_neighbouring_strips_with_the_same_cover_are_one() -> None:
    assert list(disjoint([((1, 9), (80, 80)), ((1, 9), (81, 90))])) == [((1, 9), (80, 90))]
