"""What two answers to one request differ in. Pure."""

from __future__ import annotations

import json
import re
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
"""Headers that are never alike, or mean nothing to a user."""
MOST_SHOWN = 120
STAND_IN = "x-podwire-stand-in"
"""Header of the answers of a world's stand-ins."""
_OF_ONE_POD = re.compile(rb"(?:pod|node|addresses|from): ")
"""Lines of a stand-in that differ between pods of one workload, and between connections."""
_ABSENT = object()


class Difference(msgspec.Struct, frozen=True):
    """One thing in which the answers differ: `status`, `header NAME`, `body`, `body MEMBER` of JSON, or `answer`."""

    what: str
    old: str
    new: str


class Outcome(msgspec.Struct, frozen=True):
    """A request, and what its answers differ in; none where they are alike."""

    request: str
    differences: tuple[Difference, ...]


def outcomes(
    requests: Iterable[ReplayRequest],
    answers: Iterable[tuple[Answer, Answer]],
    ignored: Iterable[str] = (),
    lines: Iterable[re.Pattern[bytes]] = (),
) -> tuple[Outcome, ...]:
    """Return the outcome of each request.

    `ignored` are names of headers beside `IGNORED`, `lines` expressions of which a line of a body that contains one is
    not compared.
    """
    left_out, lines = IGNORED | {one.lower() for one in ignored}, tuple(lines)
    return tuple(
        Outcome(str(request), tuple(differences(_compared(old, lines), _compared(new, lines), left_out)))
        for request, (old, new) in zip(requests, answers, strict=True)
    )


def _compared(answer: Answer, lines: tuple[re.Pattern[bytes], ...]) -> Answer:
    """Return the answer with the lines of its body that are compared."""
    if any(name == STAND_IN for name, _ in answer.headers):
        lines = (*lines, _OF_ONE_POD)
    if not lines:
        return answer
    kept = [one for one in answer.body.splitlines() if not any(line.search(one) for line in lines)]
    return msgspec.structs.replace(answer, body=b"\n".join(kept))


def differences(old: Answer, new: Answer, ignored: frozenset[str]) -> Iterator[Difference]:
    """Yield what two answers differ in. Where neither server answers nothing is compared: that is no likeness."""
    if old.fault or new.fault:
        yield Difference("answer", old.fault or str(old.status), new.fault or str(new.status))
        return
    if old.status != new.status:
        yield Difference("status", str(old.status), str(new.status))
    before, after = _headers(old, ignored), _headers(new, ignored)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield Difference(f"header {name}", before.get(name, "absent"), after.get(name, "absent"))
    if old.status == new.status:
        yield from _bodies(old, new)


def silence(answers: Iterable[Answer]) -> str:
    """Return why none of the requests was answered, such as a refused connection; empty where one was."""
    faults = [answer.fault for answer in answers]
    return faults[0] if faults and all(faults) else ""


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
    """By name; several of one name are joined."""
    found: dict[str, list[str]] = {}
    for name, value in answer.headers:
        if name not in ignored:
            shown = _cookie(value) if name == "set-cookie" else value
            found.setdefault(name, []).append(shown)
    return {name: ", ".join(sorted(values)) for name, values in found.items()}


def _cookie(value: str) -> str:
    """Return a cookie with its attributes; its value, and the time at which it expires, differ always.

    The order of attributes, and the case of their names, mean nothing (RFC 6265, 5.2).
    """
    first, *attributes = value.split(";")
    return "; ".join((f"{first.partition('=')[0]}=...", *sorted(map(_attribute, attributes))))


def _attribute(text: str) -> str:
    name, _, value = text.strip().partition("=")
    shown = "..." if name.lower() == "expires" else value
    return f"{name.title()}={shown}" if shown else name.title()


def _bodies(old: Answer, new: Answer) -> Iterator[Difference]:
    """JSON is compared value by value."""
    try:
        before, after = json.loads(old.body), json.loads(new.body)
    except ValueError:
        if old.body != new.body:
            yield Difference("body", *_first_difference(old.body, new.body))
    else:
        yield from _values("body", before, after)


def _values(place: str, old: object, new: object) -> Iterator[Difference]:
    """Objects are compared member by member, whose names follow the place: `body headers x-real-ip`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _values(f"{place} {name}", old.get(name, _ABSENT), new.get(name, _ABSENT))
    elif old != new:
        yield Difference(place, _shown(old), _shown(new))


def _shown(value: object) -> str:
    return "absent" if value is _ABSENT else _shortened(value if isinstance(value, str) else json.dumps(value))


def _first_difference(old: bytes, new: bytes) -> tuple[str, str]:
    """Return the first lines that differ, shortened."""
    before, after = old.splitlines(), new.splitlines()
    shortest = min(len(before), len(after))
    index = next((one for one in range(shortest) if before[one] != after[one]), shortest)
    return _line(before, index), _line(after, index)


def _line(lines: list[bytes], index: int) -> str:
    if index >= len(lines):
        return "ends"
    return _shortened(lines[index].decode("utf-8", "replace"))


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
