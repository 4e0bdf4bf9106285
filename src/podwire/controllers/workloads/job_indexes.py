"""Completion indexes of a Job's pods, and texts of many of them. Pure.

Source: kubernetes `pkg/controller/job/indexed_job_utils.go`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podwire.kube.core import Pod

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURE_COUNT = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURE_COUNT = "batch.kubernetes.io/job-index-ignored-failure-count"
"""Annotations of a pod: its index, and how many pods of that index failed before it."""

MAX_COMPLETIONS = 1_000_000
"""Indexes of one Job that are counted."""

LONGEST_NUMBER = 9
"""Characters of a number; an annotation may be anything."""

_RUNS = re.compile(r"(?:^|(?<=,))([0-9]{1,9})(?:-([0-9]{1,18}))?(?=,|$)")


def index_of(pod: Pod) -> int | None:
    """Return the pod's index; None where it has none."""
    return _number(pod, INDEX)


def failures_before(pod: Pod) -> tuple[int, int]:
    """Return how many pods of the index failed before this one: those that count, and those that were ignored."""
    return _number(pod, FAILURE_COUNT) or 0, _number(pod, IGNORED_FAILURE_COUNT) or 0


def read_indexes(text: str, limit: int) -> set[int]:
    """Return the numbers below the limit that a text like 0-2,5 names; other text is ignored, as in any status."""
    found: set[int] = set()
    for first, last in _RUNS.findall(text):
        found |= set(range(int(first), min(int(last or first) + 1, limit)))
    return found


def write_indexes(numbers: Iterable[int]) -> str:
    """Return 0-2,5 for 0, 1, 2 and 5; two neighbours are 0,1 as upstream writes them."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def _number(pod: Pod, annotation: str) -> int | None:
    text = pod.metadata.annotations.get(annotation, "")
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None
