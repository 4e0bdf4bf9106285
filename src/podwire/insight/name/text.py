"""The text of a report. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.answer_form import Verdict
from podwire.insight.connection.report import Word
from podwire.insight.name.report import Report
from podwire.insight.service.text import finding_lines
from podwire.lab.base.text_columns import table


def text(report: Report) -> str:
    """Return the whole report for a reader."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    resolver = report.resolver
    planned = ", as written in files" if report.is_planned else ""
    yield f"{report.client} -> name {report.name}{planned}"
    rows = [
        ("answer", report.answer),
        ("dnsPolicy", resolver.policy),
        ("nameserver", " ".join(resolver.servers) or "none"),
        ("search", " ".join(resolver.searches) or "none"),
        ("options", " ".join(resolver.options) or f"none (ndots:{resolver.ndots})"),
    ]
    yield from ("  " + line for line in table(rows))
    if report.queries:
        yield ""
        yield from _queries(report)
    if report.connections:
        yield ""
        yield from _ways(report)
    if report.findings:
        yield ""
        yield "FINDINGS"
        for finding in report.findings:
            yield from finding_lines(finding)
    for change in report.changes:
        yield ""
        yield f"CHANGE: {change.text}"
        yield from ("  " + line for line in change.yaml.splitlines())


def _queries(report: Report) -> Iterator[str]:
    rows = [
        (str(one.number), one.name, one.type, one.code, ", ".join(one.records) or "-", one.origin or "-")
        for one in report.queries
    ]
    yield from table([("QUERY", "NAME", "TYPE", "CODE", "RECORDS", "FROM"), *rows])


def _ways(report: Report) -> Iterator[str]:
    for line in report.connections:
        yield f"CONNECTION {line.source} -> {line.destination} {line.port}/{line.protocol}: {line.verdict}"
        for side in line.sides if line.verdict is not Verdict.ALLOWED else ():
            yield f"  {side.direction} of {side.subject}: {side.verdict} ({side.text})"
            for policy in side.policies:
                if policy.word is not Word.NOT_APPLICABLE:
                    yield f"    {policy.word:<14}  {policy.policy} ({policy.place})"
