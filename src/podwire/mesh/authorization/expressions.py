"""Patterns as regular expressions (RE2) that match a whole text: what a proxy compares with. Pure.

Every character of a policy's text is escaped. `pattern.py` means the same without expressions; tests compare both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from podwire.mesh.authorization.pattern import SEGMENT, SEGMENTS, Comparison, Mode, Pattern

NO_CASE = "(?i)"
_PARAMETER = "(?:;[^/]*)?"
_OUTSIDE = f"(?:[^;/]*{_PARAMETER}/)*[^;/]*"
"""The beginning of a path whose end is in no parameter."""
_BLANK = "[ \\t]*"


def identity(one: Pattern) -> str:
    """Return the expression of a SPIFFE id."""
    return _plain(one, ".")


def namespace(one: Pattern) -> str:
    """Return the expression of a SPIFFE id of a workload in such a namespace."""
    return f"spiffe://[^/]+/ns/{_plain(one, '[^/]')}/sa/[^/]+"


def hosts(patterns: Iterable[Pattern]) -> str:
    """Return the expression of a Host, perhaps with a port."""
    return f"{NO_CASE}{_any_of(_plain(one, '.') for one in patterns)}\\.?(?::[0-9]+)?"


def methods(patterns: Iterable[Pattern], mode: Mode) -> str:
    """Return the expression of a method."""
    return _case(mode) + _any_of(_plain(one, ".") for one in patterns)


def paths(patterns: Iterable[Pattern], mode: Mode) -> str:
    """Return the expression of a path without its query."""
    if mode is Mode.CERTAIN:
        return _any_of(_path(one) for one in patterns)
    return NO_CASE + _any_of(text for one in patterns for text in (_path(one), _path_outside_parameters(one)))


def header(patterns: Iterable[Pattern], mode: Mode) -> str:
    """Return the expression of a header's values, joined by commas."""
    one = f"{_BLANK}{_any_of(_plain(each, '[^,]') for each in patterns)}{_BLANK}"
    return f"{one}(?:,{one})*" if mode is Mode.CERTAIN else f"{NO_CASE}(?:.*,)?{one}(?:,.*)?"


def _case(mode: Mode) -> str:
    return "" if mode is Mode.CERTAIN else NO_CASE


def _any_of(texts: Iterable[str]) -> str:
    return f"(?:{'|'.join(texts)})"


def _plain(one: Pattern, character: str) -> str:
    match one.comparison:
        case Comparison.PREFIX:
            return f"{re.escape(one.value)}{character}*"
        case Comparison.SUFFIX:
            return f"{character}*{re.escape(one.value)}"
        case Comparison.PRESENT:
            return f"{character}+"
        case _:
            return re.escape(one.value)


def _path(one: Pattern) -> str:
    if one.comparison is not Comparison.TEMPLATE:
        return _plain(one, ".")
    return "/".join({SEGMENT: "[^/]+", SEGMENTS: ".*"}.get(part, re.escape(part)) for part in one.value.split("/"))


def _path_outside_parameters(one: Pattern) -> str:
    """Return the expression of a path that matches once its segments' parameters are removed."""
    known = {SEGMENT: "[^/;]+", SEGMENTS: _OUTSIDE} if one.comparison is Comparison.TEMPLATE else {}
    parts = [known.get(part, re.escape(part)) for part in one.value.split("/")]
    text = f"{_PARAMETER}/".join(parts)
    match one.comparison:
        case Comparison.PREFIX:
            return f"{text}.*"
        case Comparison.SUFFIX:
            return f"{_OUTSIDE}{text}{_PARAMETER}"
        case Comparison.PRESENT:
            return ".+"
        case _:
            return f"{text}{_PARAMETER}"
