"""The text of a report. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.connection.report import (
    ConnectionLine,
    PolicyLine,
    Report,
    RuleLine,
    ServiceLine,
    SideLine,
    TierLine,
    TierWord,
    Word,
)
from podwire.insight.mesh_policies.text import mesh_lines
from podwire.insight.service.text import finding_lines
from podwire.lab.base.text_columns import table

SHOWN = 12
"""Policies that are not applicable, of one side; more are counted, and all are in JSON."""


def text(report: Report) -> str:
    """Return the whole report for a reader."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    planned = ", as written in files" if report.is_planned else ""
    yield f"{report.source} -> {report.destination}{planned}"
    yield from _indented(table([("answer", f"{report.verdict}: {report.text}")]))
    if report.services:
        yield ""
        yield from _services(report)
    for line in report.connections:
        yield ""
        yield from _connection(line, cited=report.is_planned)
    if report.findings:
        yield ""
        yield "FINDINGS"
        for finding in report.findings:
            yield from finding_lines(finding)
    for change in report.changes:
        yield ""
        yield f"CHANGE: {change.text}"
        yield from _indented(change.yaml.splitlines())


def _services(report: Report) -> Iterator[str]:
    rows = [(one.service, _port(one), one.target, one.text, one.place) for one in report.services]
    yield from table([("SERVICE", "PORT", "POD PORT", "PODS", "PLACE"), *rows])


def _port(line: ServiceLine) -> str:
    return f"{line.port}/{line.protocol}{f' ({line.name})' if line.name else ''}"


def _connection(line: ConnectionLine, *, cited: bool) -> Iterator[str]:
    """`cited`: places are lines of files; those of live objects are their fields, which are named anyway."""
    yield f"CONNECTION {line.source} -> {line.destination} {line.port}/{line.protocol}: {line.verdict}"
    for side in line.sides:
        yield from _indented(_side(side, cited=cited))
    if line.mesh is not None:
        yield from _indented(list(mesh_lines(line.mesh, cited=cited)))


def _side(side: SideLine, *, cited: bool) -> list[str]:
    if not side.direction:
        return [side.text]
    found = [f"{side.direction} of {side.subject}: {side.verdict} ({side.text})"]
    tiers = [one for one in side.tiers if one.word is not TierWord.NOT_APPLICABLE]
    found += _indented([_tier(one, cited=cited) for one in tiers if one.tier == "Admin"])
    applying = [one for one in side.policies if one.word is not Word.NOT_APPLICABLE]
    others = [one for one in side.policies if one.word is Word.NOT_APPLICABLE]
    for one in (*applying, *others[:SHOWN]):
        found += _indented(_policy(one, side.direction, cited=cited))
    found += _indented([_tier(one, cited=cited) for one in tiers if one.tier != "Admin"])
    if len(others) > SHOWN:
        found.append(f"  and {len(others) - SHOWN} more that are not applicable")
    return found


def _tier(line: TierLine, *, cited: bool) -> str:
    text = f": {line.text}" if line.text else ""
    where = f"{line.tier}, priority {line.priority}"
    return f"{line.word:<14}  {line.policy} ({where}){text}{_at(line.place, cited=cited)}"


def _policy(line: PolicyLine, direction: str, *, cited: bool) -> list[str]:
    reason = f": {line.text}" if line.text else ""
    found = [f"{line.word:<14}  {line.policy}{reason}{_at(line.place, cited=cited)}"]
    rules = [one for one in line.rules if one.word is Word.ADMITS] or line.rules
    for rule in rules:
        found += _indented(_rule(rule, direction, cited=cited), 18)
    return found


def _rule(line: RuleLine, direction: str, *, cited: bool) -> list[str]:
    if line.word is Word.ADMITS:
        return [f"spec.{direction}[{line.index}] admits it{_at(line.place, cited=cited)}"]
    return [f"{one.field} {one.text}{_at(one.place, cited=cited)}" for one in line.misses]


def _at(place: str, *, cited: bool) -> str:
    return f" ({place})" if cited else ""


def _indented(lines: list[str], by: int = 2) -> list[str]:
    return [" " * by + line for line in lines]
