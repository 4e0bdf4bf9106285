"""Texts to compare with: exact, `prefix*`, `*suffix`, `*` (any, but not empty); paths also `{*}` and `{**}`. Pure.

What is compared may be read in two ways, as a server may be less strict than the field's definition (case, parameters
of path segments): a match is *certain* where every server reads it so, *possible* where one may.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable

import msgspec

SEGMENT, SEGMENTS = "{*}", "{**}"
_PARAMETERS = re.compile(";[^/]*")


class Comparison(enum.StrEnum):
    """How a text is compared."""

    EXACT = "exact"
    PREFIX = "prefix"
    SUFFIX = "suffix"
    PRESENT = "present"
    TEMPLATE = "template"


class Mode(enum.StrEnum):
    """Whether all readings of a text must match, or one. What was not read at all may match, but not for certain."""

    CERTAIN = "certain"
    POSSIBLE = "possible"

    @property
    def other(self) -> Mode:
        """The mode of what is negated."""
        return Mode.POSSIBLE if self is Mode.CERTAIN else Mode.CERTAIN


class Pattern(msgspec.Struct, frozen=True):
    """A text to compare with."""

    comparison: Comparison
    value: str = ""

    def __str__(self) -> str:
        match self.comparison:
            case Comparison.PREFIX:
                return f"{self.value}*"
            case Comparison.SUFFIX:
                return f"*{self.value}"
            case Comparison.PRESENT:
                return "*"
            case _:
                return self.value

    def matches(self, text: str) -> bool:
        """Whether the text matches as it is."""
        match self.comparison:
            case Comparison.EXACT:
                return text == self.value
            case Comparison.PREFIX:
                return text.startswith(self.value)
            case Comparison.SUFFIX:
                return text.endswith(self.value)
            case Comparison.PRESENT:
                return bool(text)
            case Comparison.TEMPLATE:
                return _follows(self.value.split("/"), text.split("/"))

    def lower(self) -> Pattern:
        """Return it in lower case."""
        return Pattern(self.comparison, self.value.lower())


def read(text: str) -> Pattern:
    """Return the pattern that a text of a policy means. Raises ValueError for an empty text and for other stars."""
    if text == "*":
        return Pattern(Comparison.PRESENT)
    if not text or "*" in text[1:-1] or (text[0] == "*" and text[-1] == "*"):
        raise ValueError(f"{text!r} is not a text with one '*' at most, at its beginning or end")
    if text[-1] == "*":
        return Pattern(Comparison.PREFIX, text[:-1])
    if text[0] == "*":
        return Pattern(Comparison.SUFFIX, text[1:])
    return Pattern(Comparison.EXACT, text)


def read_path(text: str) -> Pattern:
    """Return the pattern of a path. Raises ValueError for one that no normalised path matches."""
    if any(one in text for one in (";", "?", "#", "//", "/./", "/../", "\\")) or text.endswith(("/.", "/..")):
        raise ValueError(f"path {text!r} is not normalised: write it without '//', '/../', '?', '#', ';' and '\\'")
    if "{" in text or "}" in text:
        return _template(text)
    found = read(text)
    if found.comparison in (Comparison.EXACT, Comparison.PREFIX) and not text.startswith("/"):
        raise ValueError(f"path {text!r} does not begin with '/'")
    return found


def any_matches(patterns: Iterable[Pattern], text: str) -> bool:
    """Whether one of the patterns matches the text as it is."""
    return any(one.matches(text) for one in patterns)


def path_matches(patterns: Iterable[Pattern], path: str, mode: Mode) -> bool:
    """Whether one of the patterns matches a normalised path; possibly: in another case, without parameters."""
    if mode is Mode.CERTAIN:
        return any_matches(patterns, path)
    lower = tuple(one.lower() for one in patterns)
    return any(any_matches(lower, reading) for reading in (path.lower(), _PARAMETERS.sub("", path.lower())))


def elements_match(patterns: Iterable[Pattern], values: Iterable[str], mode: Mode) -> bool:
    """Whether a header's values match, those of one line with commas too: for certain all of them, possibly one."""
    elements = [element.strip(" \t") for value in values for element in value.split(",")]
    if mode is Mode.CERTAIN:
        return bool(elements) and all(any_matches(patterns, one) for one in elements)
    lower = tuple(one.lower() for one in patterns)
    return any(any_matches(lower, one.lower()) for one in elements)


def _template(text: str) -> Pattern:
    segments = text.split("/")
    literals = [one for one in segments if one not in (SEGMENT, SEGMENTS)]
    if segments[0] or any(set("{}*") & set(one) for one in literals) or segments.count(SEGMENTS) > 1:
        raise ValueError(f"path {text!r}: {SEGMENT} and {SEGMENTS} are whole segments, {SEGMENTS} at most once")
    return Pattern(Comparison.TEMPLATE, text)


def _follows(template: list[str], segments: list[str]) -> bool:
    if not template:
        return not segments
    first, rest = template[0], template[1:]
    if first == SEGMENTS:
        return any(_follows(rest, segments[number:]) for number in range(1, len(segments) + 1))
    if not segments or (not segments[0] if first == SEGMENT else segments[0] != first):
        return False
    return _follows(rest, segments[1:])
