"""What all explanations have in common: a verdict, an answer in words, findings, changes. Pure."""

from __future__ import annotations

import enum

import msgspec


class Verdict(enum.StrEnum):
    """The answer of an explanation: for a connection and each of its ends, a request, a name and a Service."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    UNDECIDABLE = "undecidable"


def as_json(report: msgspec.Struct, verdict: Verdict, answer: str) -> str:
    """Return a report as JSON: `verdict`, `answer`, `findings`, `changes` and `isPlanned` are in every one."""
    common = {"verdict": verdict, "answer": answer, "findings": (), "changes": (), "isPlanned": False}
    value = {**common, **msgspec.to_builtins(report)}
    return f"{msgspec.json.format(msgspec.json.encode(value)).decode()}\n"
