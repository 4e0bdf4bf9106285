"""`log` and `errors`: which queries and failures are logged.

Source: github.com/coredns/coredns `plugin/log/README.md`, `plugin/errors/README.md`.
"""

from __future__ import annotations

import re

import msgspec

from podwire.dns.corefile import values
from podwire.dns.corefile.grammar import Directive
from podwire.dns.names import ROOT

COMMON = (
    '{remote}:{port} - {>id} "{type} {class} {name} {proto} {size} {>do} {>bufsize}" '
    "{rcode} {>rflags} {rsize} {duration}"
)
COMBINED = COMMON + ' "{>opcode}"'
FIELDS = frozenset(re.findall(r"\{[^}]+\}", COMBINED))
CLASSES = ("all", "success", "denial", "error")


class LogSettings(msgspec.Struct, frozen=True):
    """Queries for names in these zones are logged in this format, where the answer is of one of these classes."""

    zones: tuple[bytes, ...] = (ROOT,)
    format: str = COMMON
    classes: frozenset[str] = frozenset({"all"})


class ErrorsSettings(msgspec.Struct, frozen=True):
    """Failures that match a pattern are counted for that many seconds, and logged as one line then."""

    consolidated: tuple[tuple[float, str], ...] = ()


def log(directive: Directive) -> LogSettings:
    """Read `log [NAMES] [FORMAT] { class CLASS ... }`."""
    words = list(directive.arguments)
    form = COMMON
    if words and ("{" in words[-1].text):
        form = words.pop().text.replace("{common}", COMMON).replace("{combined}", COMBINED)
        unknown = set(re.findall(r"\{[^}]+\}", form)) - FIELDS
        if unknown:
            raise directive.error(f"field {min(unknown)} is not served; it has {', '.join(sorted(FIELDS))}")
    classes: set[str] = set()
    for line in directive.lines:
        if line.name.text != "class":
            raise values.unknown(line, "log", ("class",))
        for word in line.arguments:
            if word.text not in CLASSES:
                raise word.error(f"class {word.text}: must be one of {', '.join(CLASSES)}")
            classes.add(word.text)
    return LogSettings(values.all_zones(words) or (ROOT,), form, frozenset(classes or {"all"}))


def errors(directive: Directive) -> ErrorsSettings:
    """Read `errors { consolidate DURATION PATTERN [LEVEL] }`."""
    found: list[tuple[float, str]] = []
    for line in directive.lines:
        if line.name.text != "consolidate" or len(line.arguments) not in {2, 3}:
            raise line.name.error("errors: must be consolidate DURATION PATTERN")
        pattern = values.compiled(line.arguments[1].text, line.arguments[1].error)
        found.append((values.duration(line.arguments[0]), pattern))
    return ErrorsSettings(tuple(found))
