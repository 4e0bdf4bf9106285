"""Findings for readers, for programs, and as annotations of GitHub's reviews. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from podwire.insight.lint.finding import Finding, Severity
from podwire.insight.workflow_command import annotation

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def text(found: Sequence[Finding]) -> str:
    """Return the findings, each with its remedy below it, and their number."""
    lines = [line for one in found for line in _lines(one)]
    return "\n".join((*lines, *([""] if lines else []), _counted(found), ""))


def _lines(one: Finding) -> Iterator[str]:
    yield f"{one.place}: {one.severity}: {one.message} ({one.object}) [{one.check}]"
    yield f"    {one.remedy}"


def _counted(found: Iterable[Finding]) -> str:
    counts = Counter(one.severity for one in found)
    words = (f"{counts[one]} {one}{'' if counts[one] == 1 or one is Severity.INFO else 's'}" for one in Severity)
    return ", ".join(words) if counts else "nothing found"


def to_json(found: Sequence[Finding]) -> str:
    """Return the findings as a JSON array."""
    return msgspec.json.format(msgspec.json.encode(found)).decode() + "\n"


def to_github(found: Iterable[Finding]) -> str:
    """Return a workflow command for each finding: GitHub shows it at its line."""
    return "".join(f"{_command(one)}\n" for one in found)


def _command(one: Finding) -> str:
    title, message = f"{one.object}: {one.check}", f"{one.message}\n{one.remedy}"
    return annotation(_LEVELS[one.severity], one.place, title, message)
