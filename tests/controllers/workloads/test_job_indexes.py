import pytest

from podwire.controllers.workloads import job_indexes
from tests.controllers.build import pod


@pytest.mark.parametrize(("numbers", "text"), [(set(), ""), ({0}, "0"), ({0, 1, 5}, "0,1,5"), ({0, 1, 2, 7}, "0-2,7")])
def test_indexes_as_text(numbers: set[int], text: str) -> None:
    assert job_indexes.write_indexes(numbers) == text
    assert job_indexes.read_indexes(text, 8) == numbers


@pytest.mark.proves("bad-status")
@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0-999999999999", {0, 1, 2}), ("a,1,-,2-,-2", {1}), ("7-3", set()), ("9" * 5000, set()), ("\u0663", set())],
)
def test_text_that_is_no_list_of_indexes_is_ignored(text: str, numbers: set[int]) -> None:
    assert job_indexes.read_indexes(text, 3) == numbers


@pytest.mark.parametrize(("text", "index"), [("0", 0), ("12", 12), ("", None), ("x", None), ("9" * 5000, None)])
def test_the_index_of_a_pod_is_what_its_annotation_says(text: str, index: int | None) -> None:
    found = pod("a", metadata={"annotations": {job_indexes.INDEX: text}})
    assert job_indexes.index_of(found) == index
    assert job_indexes.failures_before(found) == (0, 0)
