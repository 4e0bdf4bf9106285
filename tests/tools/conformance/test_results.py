import json
import re
from pathlib import Path

from tools.conformance.results import Line, Outcome, first_line, judge, read
from tools.conformance.tables import Rule, Tables

KNOWN = Tables(
    not_applicable=(Rule(re.compile("Windows"), "no Windows"),),
    expected_failure=(Rule(re.compile("affinity"), "not built yet"),),
)


def outcomes(*lines: Line) -> list[Outcome]:
    return [result.outcome for result in judge([line.name for line in lines], lines, KNOWN)]


def test_each_end_means_what_the_tables_make_of_it() -> None:
    assert outcomes(
        Line("DNS a", "passed", 1),
        Line("DNS b", "failed", 1, "timed out"),
        Line("DNS c", "panicked", 1),
        Line("affinity a", "failed", 1),
        Line("affinity b", "passed", 1),
        Line("Windows", "passed", 1),
        Line("DNS d", "skipped", 1, "Only supported for providers [gce]"),
    ) == [
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.FAILED,
        Outcome.EXPECTED_FAILURE,
        Outcome.UNEXPECTED_PASS,
        Outcome.NOT_APPLICABLE,
        Outcome.NOT_APPLICABLE,
    ]


def test_only_unexpected_failures_fail_the_run() -> None:
    names = ["DNS a", "affinity a", "affinity b", "Windows", "DNS b", "DNS c"]
    lines = [
        Line("DNS a", "failed", 1),
        Line("affinity a", "failed", 1),
        Line("affinity b", "passed", 1),
        Line("DNS b", "passed", 1),
    ]
    assert [result.name for result in judge(names, lines, KNOWN) if result.is_surprise] == ["DNS a", "affinity b"]


def test_a_test_without_an_end_was_not_run() -> None:
    (plain, known) = judge(["DNS", "affinity"], (), KNOWN)
    assert (plain.outcome, plain.reason) == (Outcome.NOT_RUN, "the run ended before")
    assert (known.outcome, known.reason) == (Outcome.NOT_RUN, "not built yet")


def test_the_last_end_counts() -> None:
    (result,) = judge(["DNS"], [Line("DNS", "failed", 1), Line("DNS", "passed", 2)], KNOWN)
    assert result.outcome is Outcome.PASSED


def test_a_line_that_is_not_whole_is_read_later(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    assert read(path) == []
    whole = json.dumps({"name": "DNS", "state": "passed", "seconds": 1.5})
    path.write_text(f'{whole}\n{{"name": "half')
    assert read(path) == [Line("DNS", "passed", 1.5)]


def test_the_first_line_with_text_is_kept_short() -> None:
    assert first_line("\n  timed   out\nlater") == "timed out"
    assert len(first_line("x" * 500)) == 200
    assert first_line("") == ""


def test_a_test_that_was_cut_off_has_not_failed() -> None:
    ends = [Line("DNS", "passed", 1), Line("DNS", "interrupted", 2)]
    assert [result.outcome for result in judge(["DNS"], ends, KNOWN)] == [Outcome.PASSED]
    assert [result.outcome for result in judge(["DNS"], ends[1:], KNOWN)] == [Outcome.NOT_RUN]
