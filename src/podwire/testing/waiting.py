"""Wait for a condition."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one

T = TypeVar("T")

SHORTEST_PAUSE = 0.01
LONGEST_PAUSE = 0.2


def eventually(condition: Callable[[], T], seconds: float = 60, what: str = "the condition") -> T:
    """Call the condition until it is true and return its value. Raises AssertionError after `seconds`.

    A condition that raises AssertionError is not true yet; the last one's text becomes that of the error.
    """
    deadline = time.monotonic() + seconds
    pause = SHORTEST_PAUSE
    while True:
        words = ""
        try:
            answer = condition()
            if answer:
                return answer
        except AssertionError as error:
            words = f": {error}"
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not hold within {seconds} s{words}")
        threading.Event().wait(pause)
        pause = min(pause * 2, LONGEST_PAUSE)
