from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st


def test_a_property_has_no_limit_of_time() -> None:
    """By default one example of more than 0.2 s fails: a busy machine is then a failure of any property."""
    waited: list[int] = []

    @settings(max_examples=1, database=None)
    @given(st.just(0))
    def slow(number: int) -> None:
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            waited.append(number)

    slow()
    assert waited
