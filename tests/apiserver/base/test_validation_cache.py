from collections.abc import Iterator
from typing import Any

import pytest

from podwire.apiserver.base import encoding, field_errors, validation_cache
from podwire.apiserver.base.field_errors import Cause
from podwire.apiserver.base.validation_cache import ValidationCache


class OddNumbers:
    """A check that finds odd numbers wrong, and counts how often it runs."""

    def __init__(self, cache: ValidationCache) -> None:
        self.runs = 0
        self._cache = cache

    def __call__(self, number: int) -> int:
        return self.of({"n": number})

    def of(self, value: dict[str, int]) -> int:
        """How many errors the value has."""
        return len(self._cache.check(value, lambda: self._find(value["n"])))

    def _find(self, number: int) -> Iterator[Cause]:
        self.runs += 1
        if number % 2:
            yield field_errors.invalid("n", number, "must be even")


def test_a_right_value_is_checked_once() -> None:
    check = OddNumbers(ValidationCache())
    assert [check(2), check(2), check(4), check(2)] == [0, 0, 0, 0]
    assert check.runs == 2


def test_a_wrong_value_is_reported_each_time() -> None:
    check = OddNumbers(ValidationCache())
    assert [check(1), check(1)] == [1, 1]
    assert check.runs == 2


def test_the_oldest_value_is_dropped_first() -> None:
    check = OddNumbers(ValidationCache(capacity=2))
    for value in (2, 4, 6):
        check(value)
    runs = check.runs
    assert [check(4), check(6)] == [0, 0]
    assert check.runs == runs
    check(2)
    assert check.runs == runs + 1


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The values that were encoded for a digest."""
    values: list[Any] = []
    encode = encoding.encode

    def record(value: Any) -> bytes:
        values.append(value)
        return encode(value)

    monkeypatch.setattr(validation_cache, "encode", record)
    return values


def test_one_digest_serves_two_checks_of_one_value(encoded: list[Any]) -> None:
    first = ValidationCache()
    errors, warnings = OddNumbers(first), OddNumbers(ValidationCache(after=first))
    for number in (2, 2, 1):
        value = {"n": number}
        assert errors.of(value) == warnings.of(value) == number % 2
    assert [value["n"] for value in encoded] == [2, 2, 1]
    assert errors.runs == warnings.runs == 2


def test_another_value_has_a_digest_of_its_own(encoded: list[Any]) -> None:
    first = ValidationCache()
    errors, warnings = OddNumbers(first), OddNumbers(ValidationCache(after=first))
    value = {"n": 2}
    assert errors.of(value) == 0
    assert warnings.of({"n": 1}) == 1
    value["n"] = 3
    assert warnings.of(value) == 1
    assert len(encoded) == 3
