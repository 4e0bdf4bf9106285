"""Findings of checks, and the rules that they come from."""

from __future__ import annotations

import enum

import msgspec


class Level(enum.StrEnum):
    """How serious a finding is. An error: something does not work. A warning: something will not, or may not."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, where, and what to do."""

    check: str
    level: Level
    object: str
    finding: str
    remedy: str


class Rule(msgspec.Struct, frozen=True):
    """One kind of finding. Words in braces are filled in when something is found."""

    check: str
    level: Level
    finding: str
    remedy: str

    def found(self, place: str, /, **values: object) -> Finding:
        """Return the finding about this object."""
        return Finding(self.check, self.level, place, self.finding.format(**values), self.remedy.format(**values))


class Verdict(msgspec.Struct, frozen=True):
    """The result of one check: ok, or the level of its worst finding."""

    check: str
    level: Level
    findings: tuple[Finding, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """All checks. `nodes` are those whose facts were gathered."""

    target: str
    nodes: tuple[str, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of the checks."""
        return tuple(finding for verdict in self.verdicts for finding in verdict.findings)

    @property
    def exit_status(self) -> int:
        """1 where there is an error."""
        return int(any(finding.level is Level.ERROR for finding in self.findings))
