"""What was seen: checks that hold or not, figures beside their goals, and finished runs of the suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One thing that must hold, what was seen of it, and whether it held."""

    part: str
    name: str
    seen: str
    ok: bool


class Figure(msgspec.Struct, frozen=True):
    """One measured value in words; `goal` is empty where there is none."""

    part: str
    name: str
    value: str
    goal: str = ""
    ok: bool = True


class Evidence(msgspec.Struct):
    """All of a proof, in order."""

    commit: str
    date: str
    machine: str
    checks: list[Check] = []
    figures: list[Figure] = []
    parts: list[str] = []
    """What was tried, in order."""
    suites: list[str] = []
    """Folders of runs (tools.conformance.records)."""

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return all(check.ok for check in self.checks) and all(figure.ok for figure in self.figures)

    def check(self, part: str, name: str, seen: str, ok: bool, report: Callable[[str], None]) -> None:
        """Add a check and report it."""
        self.checks.append(Check(part, name, seen, ok))
        report(f"{'ok   ' if ok else 'WRONG'}  {part}: {name}: {seen}")

    def figure(self, figure: Figure, report: Callable[[str], None]) -> None:
        """Add a figure and report it."""
        self.figures.append(figure)
        goal = f" (goal: {figure.goal})" if figure.goal else ""
        report(f"{'ok   ' if figure.ok else 'WRONG'}  {figure.name}: {figure.value}{goal}")


def joined(all_evidence: Sequence[Evidence]) -> Evidence:
    """One evidence of several proofs of parts: of a part tried several times the last one, and what others missed."""
    last = {part: one for one in all_evidence for part in one.parts}
    tries = Counter(part for one in all_evidence for part in one.parts)
    return Evidence(
        commit=", ".join(dict.fromkeys(one.commit for one in all_evidence)),
        date=", ".join(dict.fromkeys(one.date for one in all_evidence)),
        machine="; ".join(dict.fromkeys(one.machine for one in all_evidence)),
        checks=[
            check
            if one is last[part]
            else msgspec.structs.replace(check, name=f"{check.name} (one of {tries[part]} tries)")
            for part in last
            for one in all_evidence
            for check in one.checks
            if check.part == part and (one is last[part] or not check.ok)
        ],
        figures=[figure for part, one in last.items() for figure in one.figures if figure.part == part],
        parts=list(last),
        suites=[folder for one in all_evidence for folder in one.suites],
    )


def save(path: Path, evidence: Evidence) -> None:
    """Write the evidence, so that a page can be made of a finished proof."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(evidence), indent=1))


def load(path: Path) -> Evidence:
    """Read it. Raises OSError, msgspec.MsgspecError."""
    return msgspec.json.decode(path.read_bytes(), type=Evidence)
