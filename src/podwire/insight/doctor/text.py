"""A report for a reader."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.doctor.report import Level, Report, Verdict
from podwire.insight.doctor.rules import CHECKS


def text(report: Report) -> str:
    """Return each check with its level, and under it what is wrong and what to do."""
    width = max(len(verdict.check) for verdict in report.verdicts)
    lines = [f"{report.target}: {_count(len(report.nodes), 'node')} examined", ""]
    for verdict in report.verdicts:
        lines += _lines(verdict, width)
    errors = sum(finding.level is Level.ERROR for finding in report.findings)
    lines += ["", f"{_count(errors, 'error')}, {_count(len(report.findings) - errors, 'warning')}"]
    return "\n".join(lines)


def _lines(verdict: Verdict, width: int) -> Iterator[str]:
    yield f"{verdict.level:<8} {verdict.check:<{width}}  {CHECKS[verdict.check]}"
    for finding in verdict.findings:
        yield f"    {finding.level}: {finding.object}: {finding.finding}"
        yield f"        {finding.remedy}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
