"""What `go test -v` prints: how each test ended, with its own lines (Go, src/testing)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from tools.conformance.results import Line

SWITCH = re.compile(r"^=== (?:RUN|CONT|PAUSE|NAME)\s+(\S+)")
END = re.compile(r"^\s*--- (PASS|FAIL|SKIP): (\S+) \(([0-9.]+)s\)")
STATES = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}
MESSAGE = re.compile(r"^\s+(?:Error|Messages):\s*(.*)$")
"""What testify prints of a failed requirement; the lines below it are indented deeper than its labels."""
LABEL = re.compile(r"^\s+(?:(?:Error Trace|Test):|\S+\.go:\d+: )")
UNMET = re.compile(r"^\s+\S+\.go:\d+: .*not ready yet: (.*?)\.?(?: CRes: .*| \(after \S+\))?$")
"""What a request still lacks when a test gives up on it; such a test prints no requirement."""
SKIPPED = re.compile(r"^\s+\S+\.go:\d+: (.+)$")


def lines(printed: Iterable[str], root: str) -> Iterator[Line]:
    """The tests directly below the test `root` as they end; the output of their own subtests counts as theirs."""
    logs: dict[str, list[str]] = defaultdict(list)
    current = root
    for text in printed:
        if ended := END.match(text):
            name = _below(ended[2], root)
            if name and ended[2] == f"{root}/{name}":
                state = STATES[ended[1]]
                yield Line(name, state, float(ended[3]), reason(logs[name], state), log=f"{name}.log")
            continue
        if switched := SWITCH.match(text):
            current = switched[1]
            continue
        logs[_below(current, root)].append(text.rstrip("\n"))


def log(printed: Iterable[str], root: str, name: str) -> list[str]:
    """The lines of one test and its subtests, with the lines that say which of them prints."""
    kept, current = [], root
    for text in printed:
        if found := SWITCH.match(text) or None:
            current = found[1]
        ended = END.match(text)
        if _below(ended[2] if ended else current, root) == name:
            kept.append(text.rstrip("\n"))
    return kept


def reason(log: Iterable[str], state: str) -> str:
    """Why a test failed or was skipped, in one line; nothing for one that passed."""
    if state == "skipped":
        return next((found[1] for text in reversed(list(log)) if (found := SKIPPED.match(text))), "")
    if state != "failed":
        return ""
    printed = list(log)
    return " | ".join(_messages(printed)) or next(
        (found[1] for text in reversed(printed) if (found := UNMET.match(text))), ""
    )


def _messages(log: Iterable[str]) -> list[str]:
    """The first failed requirement's error and message."""
    found: list[str] = []
    reading = False
    for text in log:
        if LABEL.match(text):
            if found and "Error Trace" in text:
                break
            reading = False
        elif label := MESSAGE.match(text):
            found.append(label[1].strip())
            reading = True
        elif reading and text.strip() and len(found[-1]) < 160:
            found[-1] = f"{found[-1]} {text.strip()}".strip()
    return [text for text in found if text]


def _below(name: str, root: str) -> str:
    """`B` of `ROOT/B/C`, nothing for the root itself or another."""
    return name.removeprefix(f"{root}/").partition("/")[0] if name.startswith(f"{root}/") else ""
