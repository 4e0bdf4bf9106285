from collections.abc import Iterator

from podwire.apiserver.base import field_errors
from podwire.apiserver.base.field_errors import Cause
from podwire.apiserver.base.validation_cache import ValidationCache


class Judge:
    """Finds odd numbers wrong, and counts how often it was asked."""

    def __init__(self, memory: ValidationCache) -> None:
        self.asked = 0
        self._memory = memory

    def __call__(self, value: int) -> int:
        return len(self._memory.check({"n": value}, lambda: self._find(value)))

    def _find(self, value: int) -> Iterator[Cause]:
        self.asked += 1
        if value % 2:
            yield field_errors.invalid("n", value, "must be even")


def test_what_is_right_is_judged_once() -> None:
    judge = Judge(ValidationCache())
    assert [judge(2), judge(2), judge(4), judge(2)] == [0, 0, 0, 0]
    assert judge.asked == 2


def test_what_is_wrong_is_told_each_time() -> None:
    judge = Judge(ValidationCache())
    assert [judge(1), judge(1)] == [1, 1]
    assert judge.asked == 2


def test_the_oldest_is_forgotten_first() -> None:
    judge = Judge(ValidationCache(capacity=2))
    for value in (2, 4, 6):
        judge(value)
    asked = judge.asked
    assert [judge(4), judge(6)] == [0, 0]
    assert judge.asked == asked
    judge(2)
    assert judge.asked == asked + 1
