"""How tests ended: the lines that the suite's reporter (conformance/results_test.go) writes, joined with the tables."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tools.conformance.tables import Tables

CUT = frozenset({"interrupted", "aborted"})
"""States of tests that did not end by themselves, since the run was ended."""


class Outcome(enum.Enum):
    """What a test's result means here."""

    PASSED = "passed"
    FAILED = "failed"
    EXPECTED_FAILURE = "failed, as expected"
    UNEXPECTED_PASS = "passed, though a failure is expected"
    NOT_APPLICABLE = "not applicable"
    NOT_RUN = "not run"


class Line(msgspec.Struct, frozen=True):
    """One line of results.jsonl."""

    name: str
    state: str
    seconds: float
    message: str = ""
    where: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One test: how it ended, why, and how long it took."""

    name: str
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0
    log: str = ""

    @property
    def is_surprise(self) -> bool:
        """Whether the run must fail: a failure that nobody expects, or a pass that the table does not know of."""
        return self.outcome in (Outcome.FAILED, Outcome.UNEXPECTED_PASS)


def read(path: Path) -> list[Line]:
    """The lines written so far; a last one that is not whole is left out. Nothing where the file does not exist."""
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    return [msgspec.json.decode(line, type=Line) for line in whole.splitlines()]


def judge(names: Iterable[str], lines: Iterable[Line], tables: Tables) -> list[Result]:
    """A result for each name, in order. Of a test that ended several times, the last end counts; a cut one does not."""
    ends = {line.name: line for line in lines if line.state not in CUT}
    return [_judged(name, ends.get(name), tables) for name in names]


def _judged(name: str, end: Line | None, tables: Tables) -> Result:
    inapplicable, expected = tables.inapplicable(name), tables.expected(name)
    if inapplicable is not None:
        return Result(name, Outcome.NOT_APPLICABLE, inapplicable.reason)
    if end is None:
        return Result(name, Outcome.NOT_RUN, expected.reason if expected else "the run ended before")
    if end.state == "skipped":
        return Result(name, Outcome.NOT_APPLICABLE, f"the test says: {first_line(end.message)}", end.seconds)
    if end.state == "passed":
        outcome = Outcome.PASSED if expected is None else Outcome.UNEXPECTED_PASS
        return Result(name, outcome, seconds=end.seconds)
    if expected is not None:
        return Result(name, Outcome.EXPECTED_FAILURE, expected.reason, end.seconds, end.log)
    return Result(name, Outcome.FAILED, first_line(end.message) or end.state, end.seconds, end.log)


def first_line(message: str) -> str:
    """The first line with text, at most 200 characters."""
    text = next((line.strip() for line in message.splitlines() if line.strip()), "")
    return re.sub(r"\s+", " ", text)[:200]
