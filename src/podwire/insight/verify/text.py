"""A report as text for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.verify.judgement import Line, Verdict
from podwire.insight.verify.report import NO_DENY, Report
from podwire.insight.workflow_command import annotation
from podwire.lab.base.text_columns import table

MARKS = {Verdict.PROVEN: "ok", Verdict.WRONG: "WRONG", Verdict.UNDECIDED: "UNDECIDED"}


def text(report: Report) -> str:
    """Return one line for each expectation, then what is wrong with its reason, then the numbers."""
    shown = table([("EXPECTED", "CONNECTION", "", "SEEN"), *map(_cells, report.lines)])
    blocks = ["\n".join(shown), *("\n".join(_wrong(one)) for one in report.wrong)]
    if not report.is_able_to_fail:
        blocks.append(f"UNABLE TO FAIL: {report.file}: {NO_DENY}")
    blocks += [f"warning: {one}" for one in report.warnings]
    blocks.append(report.summary)
    return "\n\n".join(blocks) + "\n"


def github(report: Report) -> str:
    """Return the text, and a command for each wrong line: GitHub shows it at its line of the file."""
    commands = [
        annotation("error", one.expectation.place, f"podwire verify: {mark(one)}", "\n".join(_wrong(one)))
        for one in report.wrong
    ]
    if not report.is_able_to_fail:
        commands.append(annotation("error", f"{report.file}:1", "podwire verify: unable to fail", NO_DENY))
    return "".join((text(report), *(f"{one}\n" for one in commands)))


def mark(line: Line) -> str:
    """Return the line's verdict in one word."""
    return "MODEL" if line.verdict is Verdict.PROVEN and line.disagreement else MARKS[line.verdict]


def _cells(line: Line) -> tuple[str, ...]:
    return line.expectation.expect, line.expectation.label, mark(line), line.seen


def _wrong(line: Line) -> Iterator[str]:
    one = line.expectation
    yield f"{mark(line)}: {one.place}: {one.expect} {one.label}"
    if line.fault:
        yield f"  {line.fault}"
    if line.disagreement:
        yield f"  {line.disagreement}: a fault of podwire, or of a program that drops packets: please report it"
    if one.why:
        yield f"  reason of the expectation: {one.why}"
    yield from (f"  {part}".rstrip() for part in line.explanation.splitlines())
