"""Counts what a fuzzed decoder accepts and refuses: one that refuses everything proves nothing."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_tallies: list[Counter[str]] = []


@contextmanager
def refusing(*errors: type[Exception]) -> Iterator[None]:
    """Take these errors as refusals, and count which way it went."""
    try:
        yield
    except errors:
        _tallies[-1]["refused"] += 1
    else:
        _tallies[-1]["accepted"] += 1


def both_ways(test: Callable[[], None]) -> Callable[[], None]:
    """Run a test of many examples; at least one must be accepted and one refused."""

    @functools.wraps(test)
    def run() -> None:
        _tallies.append(Counter())
        try:
            test()
            tally = _tallies[-1]
        finally:
            _tallies.pop()
        assert tally["accepted"], "every example was refused"
        assert tally["refused"], "every example was accepted"

    return run
