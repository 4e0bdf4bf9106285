"""All lines of a proof, counted, and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from podwire.insight.verify.judgement import Line

NO_DENY = (
    "no expectation is 'deny': this file would pass without any policy too, so that it cannot fail;"
    " add a connection that must not be possible"
)


class Report(msgspec.Struct, frozen=True):
    """What a proof found. `place` is what was tried: an ephemeral world, a running one, or a cluster."""

    file: str
    place: str
    lines: tuple[Line, ...]
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def wrong(self) -> tuple[Line, ...]:
        """The lines that are not proven, or of which model and packets differ."""
        return tuple(one for one in self.lines if not one.is_right)

    @property
    def is_able_to_fail(self) -> bool:
        """Whether some connection was expected to be denied."""
        return any(not one.expectation.is_allowed for one in self.lines)

    @property
    def is_right(self) -> bool:
        """Whether everything holds, and could have failed."""
        return not self.wrong and self.is_able_to_fail

    @property
    def summary(self) -> str:
        """Return the numbers as a sentence."""
        proven = len(self.lines) - len(self.wrong)
        tried = sum(one.tried for one in self.lines)
        allows = _count(self.lines, is_allowed=True)
        denies = _count(self.lines, is_allowed=False)
        return (
            f"{proven} of {len(self.lines)} expectations proven ({allows} allow, {denies} deny)"
            f" with {tried} real connections in {self.seconds:.1f} s"
        )


def as_json(report: Report) -> str:
    """Return the report for programs."""
    value = {
        "ok": report.is_right,
        "file": report.file,
        "place": report.place,
        "ableToFail": report.is_able_to_fail,
        "seconds": round(report.seconds, 3),
        "warnings": report.warnings,
        "expectations": [_plain(one) for one in report.lines],
    }
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"


def _plain(line: Line) -> dict[str, Any]:
    one = line.expectation
    return {
        "place": one.place,
        "from": one.source,
        "to": one.destination,
        "port": one.port,
        "protocol": one.protocol,
        "expect": one.expect,
        "verdict": line.verdict.value,
        "ok": line.is_right,
        "seen": line.seen,
        "connections": line.tried,
        "fault": line.fault,
        "disagreement": line.disagreement,
        "explanation": line.explanation,
        "why": one.why,
    }


def _count(lines: Sequence[Line], *, is_allowed: bool) -> str:
    own = [one for one in lines if one.expectation.is_allowed is is_allowed]
    right = sum(one.is_right for one in own)
    return str(right) if right == len(own) else f"{right} of {len(own)}"
