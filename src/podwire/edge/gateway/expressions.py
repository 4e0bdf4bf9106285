"""Texts of routes that a proxy would refuse, with all routes of the same domain. Pure.

Source: RE2's syntax (github.com/google/re2/wiki/Syntax): what this check accepts is a part of it. Envoy's validation
of values of headers: `well_known_regex: HTTP_HEADER_VALUE`.
"""

from __future__ import annotations

import math
import re

_BEYOND_RE2 = re.compile(r"\(\?(?:[=!>(#]|<[=!]|P[=>]|[ims-]*[aLux])|\\[0-9GZgkuUN]")
"""Look-around, atomic groups, conditions, comments, other flags, back-references, `\\Z`, names of characters."""

_POSSESSIVE = re.compile(r"[*+?}]\+")
_CLASS_OR_ESCAPE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_COUNTS = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_MOST_REPETITIONS = 1000
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def expression_problem(expression: str) -> str:
    """Return why a regular expression is not one of RE2; empty where it is."""
    found = _BEYOND_RE2.search(expression.replace(r"\\", "_"))
    found = found or _POSSESSIVE.search(_CLASS_OR_ESCAPE.sub("_", expression))
    if found:
        return f"{found.group()} is not in RE2"
    counts = [max(int(low), int(high or 0), 1) for low, high in _COUNTS.findall(expression)]
    if math.prod(counts) > _MOST_REPETITIONS:
        return f"repeats more than {_MOST_REPETITIONS} times"
    try:
        re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        return str(error)
    return ""


def has_control_characters(text: str) -> bool:
    """Whether the text cannot be part of a header: line ends and others, but for tabs."""
    return _CONTROL.search(text) is not None
