"""What two answers to one request differ in. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import msgspec

from podwire.insight.replay.exchange import Answer
from podwire.insight.replay.requests import ReplayRequest

IGNORED = frozenset(
    (
        "date", "server", "connection", "keep-alive", "transfer-encoding", "content-length", "x-request-id", "via",
        "x-envoy-upstream-service-time", "age", "alt-svc",
    )
)  # fmt: skip
"""Headers that are never alike, or say nothing of what a user sees."""
MOST_SHOWN = 120


class Difference(msgspec.Struct, frozen=True):
    """One thing in which the answers differ: `status`, `header NAME`, `body` or `answer`."""

    what: str
    old: str
    new: str


class Outcome(msgspec.Struct, frozen=True):
    """A request, and what its answers differ in; none where they are alike."""

    request: str
    differences: tuple[Difference, ...]


def outcomes(
    requests: Iterable[ReplayRequest], answers: Iterable[tuple[Answer, Answer]], ignored: Iterable[str] = ()
) -> tuple[Outcome, ...]:
    """Return the outcome of each request. `ignored` are names of headers beside `IGNORED`."""
    left_out = IGNORED | {one.lower() for one in ignored}
    return tuple(
        Outcome(str(request), tuple(differences(old, new, left_out)))
        for request, (old, new) in zip(requests, answers, strict=True)
    )


def differences(old: Answer, new: Answer, ignored: frozenset[str]) -> Iterator[Difference]:
    """Yield what two answers differ in."""
    if old.fault or new.fault:
        if bool(old.fault) != bool(new.fault):
            yield Difference("answer", old.fault or str(old.status), new.fault or str(new.status))
        return
    if old.status != new.status:
        yield Difference("status", str(old.status), str(new.status))
    before, after = _headers(old, ignored), _headers(new, ignored)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Difference(f"header {name}", before.get(name, "absent"), after.get(name, "absent"))
    if old.status == new.status and _content(old) != _content(new):
        yield Difference("body", *_first_difference(old.body, new.body))


def text(found: Iterable[Outcome]) -> str:
    """Return the outcomes to read: requests with differences, then the counts."""
    found = tuple(found)
    lines = []
    for one in found:
        if one.differences:
            lines.append(one.request)
            lines += (f"    {entry.what}: {entry.old} -> {entry.new}" for entry in one.differences)
    different = sum(bool(one.differences) for one in found)
    return "\n".join((*lines, f"{len(found)} requests: {len(found) - different} alike, {different} different", ""))


def _headers(answer: Answer, ignored: frozenset[str]) -> dict[str, str]:
    """By name; several of one name are joined. Values of cookies differ always, so only their names count."""
    found: dict[str, list[str]] = {}
    for name, value in answer.headers:
        if name not in ignored:
            shown = f"{value.partition('=')[0]}=..." if name == "set-cookie" else value
            found.setdefault(name, []).append(shown)
    return {name: ", ".join(sorted(values)) for name, values in found.items()}


def _content(answer: Answer) -> object:
    """JSON is compared by its values."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.body


def _first_difference(old: bytes, new: bytes) -> tuple[str, str]:
    """Return the first lines that differ, shortened."""
    before, after = old.splitlines(), new.splitlines()
    shortest = min(len(before), len(after))
    index = next((one for one in range(shortest) if before[one] != after[one]), shortest)
    return _line(before, index), _line(after, index)


def _line(lines: list[bytes], index: int) -> str:
    if index >= len(lines):
        return "ends"
    shown = lines[index].decode("utf-8", "replace")
    return shown if len(shown) <= MOST_SHOWN else f"{shown[: MOST_SHOWN - 3]}..."
