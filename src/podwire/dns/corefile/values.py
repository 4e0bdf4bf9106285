"""Values in a Corefile: durations, numbers, zones, addresses. Pure; all raise CorefileError with the line."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable

from podwire.dns.corefile.grammar import Directive, Line
from podwire.dns.corefile.pattern import Pattern
from podwire.dns.corefile.pattern_syntax import PatternError
from podwire.dns.corefile.tokens import CorefileError, Token
from podwire.dns.names import ROOT, FormatError, IPNetwork, to_wire

LONGEST_NUMBER = 20
"""Digits."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")


def duration(word: Token) -> float:
    """Seconds from `30s`, `1m30s`, `500ms`; a number alone is seconds."""
    if word.text.isascii() and word.text.isdecimal():
        return float(word.text)
    if not _DURATION.fullmatch(word.text):
        raise word.error(f"{word.text!r} is no duration such as 30s or 5m")
    return sum(float(amount) * _UNITS[unit] for amount, unit in _PART.findall(word.text))


def number(word: Token, low: int, high: int) -> int:
    """A whole number of this range."""
    is_number = word.text.isascii() and word.text.isdecimal() and len(word.text) <= LONGEST_NUMBER
    if not (is_number and low <= int(word.text) <= high):
        raise word.error(f"{word.text!r} must be a whole number from {low} to {high}")
    return int(word.text)


def compiled(text: str, error: Callable[[str], CorefileError]) -> str:
    """A regular expression that compiles; `error` makes the error of the word or directive that has it."""
    try:
        Pattern(text)
    except PatternError as problem:
        raise error(f"{text[:80]!r} is no regular expression: {problem}") from None
    return text


def zones(word: Token) -> tuple[bytes, ...]:
    """The folded wire names of a zone; of a range such as 10.0.0.0/24 its reverse zones."""
    text = word.text
    if "/" in text:
        return tuple(to_wire(zone) for zone in _reverse(word))
    try:
        return (to_wire(text).lower(),)
    except FormatError as error:
        raise word.error(str(error)) from None


def _reverse(word: Token) -> tuple[str, ...]:
    from podwire.dns.names import reverse_zones

    return reverse_zones(network(word))


def all_zones(words: Iterable[Token]) -> tuple[bytes, ...]:
    """The zones of several words, each once."""
    return tuple(dict.fromkeys(zone for word in words for zone in zones(word)))


def network(word: Token) -> IPNetwork:
    """A range in CIDR form."""
    try:
        return ipaddress.ip_network(word.text, strict=False)
    except ValueError:
        raise word.error(f"{word.text!r} is no range such as 10.0.0.0/8") from None


def port_of(directive: Directive) -> int | None:
    """The port of the one argument `[ADDRESS]:PORT` of a plugin that listens; None where there is none.

    The address is the one that the program listens on for all of its ports.
    """
    if not directive.arguments:
        return None
    if len(directive.arguments) > 1:
        raise directive.error("has at most one argument, :PORT")
    word = directive.arguments[0]
    digits = word.text.rpartition(":")[2]
    if ":" not in word.text or not (digits.isascii() and digits.isdecimal() and 0 < int(digits[:6]) < 1 << 16):
        raise word.error(f"{word.text!r} must be :PORT, such as :9153")
    return int(digits)


def one(line: Line) -> Token:
    """The one argument of an option."""
    if len(line.arguments) != 1:
        raise line.name.error(f"{line.name.text}: must have one value")
    return line.arguments[0]


def no_arguments(line: Line) -> None:
    """Raise where an option has a value that is to have none."""
    if line.arguments:
        raise line.arguments[0].error(f"{line.name.text}: has no value")


def fallthrough(line: Line) -> tuple[bytes, ...]:
    """The zones whose unknown names go on to the next plugin; all where none is written."""
    return all_zones(line.arguments) or (ROOT,)


def unknown(line: Line, plugin: str, known: Iterable[str]) -> Exception:
    """The error about an option that is not served."""
    return line.name.error(f"{plugin}: option {line.name.text!r} is not served; it has {', '.join(sorted(known))}")
