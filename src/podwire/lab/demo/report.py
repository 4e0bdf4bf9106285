"""What the demo saw, judged and printed: one table that a newcomer understands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from podwire.lab.demo.plan import Expected, Probe

WORDS = {
    "answered": "answered",
    "timeout": "no answer",
    "refused": "refused",
    "no-name": "name not found",
    "error": "error",
}
"""How the prober's outcomes are shown."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: its outcome (a key of WORDS), the pod that answered, and the time it took."""

    outcome: str
    by: str = ""
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """All tries of one probe; none means that it was not sent."""

    probe: Probe
    attempts: tuple[Attempt, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether every try was answered."""
        return bool(self.attempts) and all(a.outcome == "answered" for a in self.attempts)

    @property
    def silent(self) -> bool:
        """Whether no try got any reaction: what a policy does, and a refusal or a missing name does not."""
        return bool(self.attempts) and all(a.outcome == "timeout" for a in self.attempts)

    @property
    def pods(self) -> tuple[str, ...]:
        """Who answered."""
        return tuple(sorted({a.by for a in self.attempts if a.by}))

    @property
    def seen(self) -> str:
        """Return what happened, as text."""
        if not self.attempts:
            return "not sent"
        counts = {word: sum(a.outcome == outcome for a in self.attempts) for outcome, word in WORDS.items()}
        counted = [word if n == len(self.attempts) else f"{n} {word}" for word, n in counts.items() if n]
        who = f" by {len(self.pods)} pods" if len(self.pods) > 1 else ""
        return ", ".join(counted) + who


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the demo and the time it took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Line:
    """A result and its judgement; `fault` is what is wrong, empty if nothing is."""

    result: Result
    fault: str = ""

    @property
    def ok(self) -> bool:
        """Whether the result is what the policies define."""
        return not self.fault


def judge(results: Sequence[Result]) -> tuple[Line, ...]:
    """Compare what was seen with what is expected. A deny counts only where another source got an answer."""
    reached = {_target(r.probe) for r in results if r.probe.expected is Expected.ALLOW and r.answered}
    return tuple(Line(result, _fault(result, reached)) for result in results)


def exit_status(lines: Sequence[Line]) -> int:
    """0 when every line is right and both sides of the coin were seen."""
    verdicts = {line.result.probe.expected for line in lines}
    return 0 if all(line.ok for line in lines) and verdicts == set(Expected) else 1


def text(lines: Sequence[Line], steps: Sequence[Step]) -> str:
    """The table, the counts, the times, and what is wrong by name."""
    cells = [("FROM", "TO", "EXPECTED", "SEEN", "", "WHY"), *map(_cells, lines)]
    wrong = [line for line in lines if not line.ok]
    blocks = [
        _table(cells),
        [_summary(lines)],
        _table([(step.name, f"{step.seconds:.2f} s") for step in steps]),
        [f"WRONG: {line.result.probe.id}: {line.fault}" for line in wrong],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def as_json(lines: Sequence[Line], steps: Sequence[Step]) -> bytes:
    """The same for programs."""
    return msgspec.json.encode(
        {
            "ok": exit_status(lines) == 0,
            "allowsSeen": seen(lines, Expected.ALLOW),
            "deniesSeen": seen(lines, Expected.DENY),
            "probes": [_plain(line) for line in lines],
            "steps": [{"name": step.name, "seconds": round(step.seconds, 3)} for step in steps],
        }
    )


def seen(lines: Iterable[Line], expected: Expected) -> int:
    """How many allows, or denies, were proven."""
    return sum(line.ok and line.result.probe.expected is expected for line in lines)


def _target(probe: Probe) -> tuple[Any, ...]:
    return probe.target, probe.port, probe.protocol


def _fault(result: Result, reached: set[tuple[Any, ...]]) -> str:
    probe = result.probe
    if probe.expected is Expected.ALLOW:
        if not result.answered:
            return f"expected an answer, saw: {result.seen}"
        if len(result.pods) < probe.answers and probe.answers > 1:
            return f"expected answers by {probe.answers} pods, saw {len(result.pods)}"
        return ""
    if not result.silent:
        return f"expected no answer, saw: {result.seen}"
    if _target(probe) not in reached:
        return "no answer, but no other pod got one from there either: this proves nothing"
    return ""


def _summary(lines: Sequence[Line]) -> str:
    parts = []
    for expected in Expected:
        total = sum(line.result.probe.expected is expected for line in lines)
        parts.append(f"{seen(lines, expected)} of {total} {expected.value} lines proven")
    return ", ".join(parts) + " with real packets"


def _cells(line: Line) -> tuple[str, ...]:
    probe = line.result.probe
    mark = "ok" if line.ok else "WRONG"
    return str(probe.source), probe.label, probe.expected.value, line.result.seen, mark, probe.why


def _plain(line: Line) -> dict[str, Any]:
    probe = line.result.probe
    return {
        "from": str(probe.source),
        "to": str(probe.target),
        "host": probe.host,
        "port": probe.port,
        "protocol": probe.protocol,
        "via": probe.via.name.lower(),
        "expected": probe.expected.value,
        "seen": line.result.seen,
        "ok": line.ok,
        "fault": line.fault,
        "why": probe.why,
        "answeredBy": line.result.pods,
        "milliseconds": [attempt.milliseconds for attempt in line.result.attempts],
    }


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns as wide as their widest cell, two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
