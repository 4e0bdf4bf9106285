r"""Regular expressions as trees. Pure. The syntax is RE2's, as CoreDNS has it: without backreferences and look-around.

Source: github.com/google/re2/wiki/Syntax. Left out: `\Q...\E`, `\C` and classes of Unicode, as names are ASCII.
"""

from __future__ import annotations

import string
from typing import Literal

import msgspec

OTHER = 128
"""The bit of all characters that are not ASCII."""
ALL = (1 << OTHER + 1) - 1
MOST_NESTED = 50
HIGHEST_COUNT = 1000

Edge = Literal["start", "end", "word", "inside"]
"""Where nothing is consumed: the start, the end, an edge of a word, none."""


class PatternError(ValueError):
    """A text is no pattern; the message is the reason."""


class Chars(msgspec.Struct, frozen=True):
    """One character of a set: bit N is the character N."""

    mask: int


class At(msgspec.Struct, frozen=True):
    """A place between characters."""

    edge: Edge


class Group(msgspec.Struct, frozen=True):
    """What a group matches is kept under its number, 0 for the whole match, -1 for nothing."""

    number: int
    inner: Node


class Repeat(msgspec.Struct, frozen=True):
    """From `low` to `high` times, without limit for None; the greedy way tries more before less."""

    inner: Node
    low: int
    high: int | None
    greedy: bool


class Sequence(msgspec.Struct, frozen=True):
    """One after the other."""

    parts: tuple[Node, ...]


class Choice(msgspec.Struct, frozen=True):
    """The first one that lets the whole match."""

    parts: tuple[Node, ...]


Node = Chars | At | Group | Repeat | Sequence | Choice


def mask_of(characters: str) -> int:
    """The set of these characters."""
    mask = 0
    for one in characters:
        mask |= 1 << min(ord(one), OTHER)
    return mask


WORD = mask_of(string.ascii_letters + string.digits + "_")
_CLASSES = {"d": mask_of(string.digits), "w": WORD, "s": mask_of("\t\n\f\r ")}
_POSIX = {
    "alnum": mask_of(string.ascii_letters + string.digits),
    "alpha": mask_of(string.ascii_letters),
    "blank": mask_of("\t "),
    "digit": mask_of(string.digits),
    "lower": mask_of(string.ascii_lowercase),
    "punct": mask_of(string.punctuation),
    "space": mask_of(string.whitespace),
    "upper": mask_of(string.ascii_uppercase),
    "word": WORD,
    "xdigit": mask_of(string.hexdigits),
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_EDGES: dict[str, Edge] = {"A": "start", "z": "end", "b": "word", "B": "inside"}
_FLAGS = frozenset("imsU")


class Parser:
    """Reads one pattern. `groups` and `names` are known after `parse`."""

    def __init__(self, text: str) -> None:
        self.groups = 0
        self.names: dict[str, int] = {}
        self._text = text
        self._place = 0
        self._flags: frozenset[str] = frozenset()
        self._depth = 0

    def parse(self) -> Node:
        """The whole pattern. Raises PatternError."""
        found = self._choice()
        if self._place < len(self._text):
            raise PatternError("a parenthesis is closed that is not open")
        return found

    def _peek(self, text: str) -> bool:
        return self._text.startswith(text, self._place)

    def _take(self, text: str) -> bool:
        if not text or not self._peek(text):
            return False
        self._place += len(text)
        return True

    def _next(self) -> str:
        if self._place >= len(self._text):
            raise PatternError("it ends within an expression")
        self._place += 1
        return self._text[self._place - 1]

    def _choice(self) -> Node:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise PatternError(f"groups are nested more than {MOST_NESTED} deep")
        parts = [self._sequence()]
        while self._take("|"):
            parts.append(self._sequence())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._place < len(self._text) and not self._peek("|") and not self._peek(")"):
            parts.append(self._repeated(self._atom()))
        return Sequence(tuple(parts))

    def _repeated(self, inner: Node) -> Node:
        counts = self._counts()
        if counts is None:
            return inner
        lazy = self._take("?")
        if self._counts() is not None:
            raise PatternError("a repetition is repeated: put a group around it")
        return Repeat(inner, *counts, greedy=lazy == ("U" in self._flags))

    def _counts(self) -> tuple[int, int | None] | None:
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return counts
        end = self._text.find("}", self._place)
        if not self._peek("{") or end < 0:
            return None
        low, comma, high = self._text[self._place + 1 : end].partition(",")
        if not low.isdecimal() or (high and not high.isdecimal()):
            return None  # a brace like any other character
        self._place = end + 1
        most = int(high) if high else None if comma else int(low)
        if int(low) > HIGHEST_COUNT or (most is not None and not int(low) <= most <= HIGHEST_COUNT):
            raise PatternError(f"{{{low}{comma}{high}}}: counts must rise and be at most {HIGHEST_COUNT}")
        return int(low), most

    def _atom(self) -> Node:
        one = self._next()
        match one:
            case "(":
                return self._group()
            case "[":
                return Chars(self._set())
            case ".":
                return Chars(ALL)
            case "^":
                return At("start")
            case "$":
                return At("end")
            case "\\":
                return self._escaped()
            case "*" | "+" | "?":
                raise PatternError(f"there is nothing before {one!r} to repeat")
            case _:
                return self._folded(mask_of(one))

    def _group(self) -> Node:
        outside, number = self._flags, -1
        if self._take("?"):
            if self._take("P<") or self._take("<"):
                number = self._named()
            elif not self._set_flags():
                return Sequence(())
        else:
            self.groups = number = self.groups + 1
        inner = self._choice()
        if not self._take(")"):
            raise PatternError("a parenthesis is not closed")
        self._flags = outside
        return Group(number, inner)

    def _named(self) -> int:
        name, closed, _ = self._text[self._place :].partition(">")
        if not closed or not name.isidentifier() or name in self.names:
            raise PatternError(f"group {name[:80]!r} must have a name of letters, which no other has: (?P<NAME>...)")
        self._place += len(name) + 1
        self.groups = self.names[name] = self.groups + 1
        return self.groups

    def _set_flags(self) -> bool:
        """Read `i)`, which counts up to the end of the group around it, or `i:` of a group; whether it is a group."""
        on, adds = set(self._flags), True
        while (one := self._next()) not in {")", ":"}:
            if one == "-" and adds:
                adds = False
            elif one in _FLAGS:
                (on.add if adds else on.discard)(one)
            else:
                raise PatternError(f"'(?{one}' is not served: patterns are as in RE2, without look-around")
        self._flags = frozenset(on)
        return one == ":"

    def _escaped(self) -> Node:
        one = self._next()
        if one in _EDGES:
            return At(_EDGES[one])
        return self._folded(self._escape(one))

    def _escape(self, one: str) -> int:
        """The set of an escape."""
        if one.lower() in _CLASSES:
            return _CLASSES[one] if one.islower() else ALL & ~_CLASSES[one.lower()]
        if one == "x":
            digits = self._next()
            digits = self._until("}") if digits == "{" else digits + self._next()
            if not digits or not set(digits) <= set(string.hexdigits) or len(digits) > 6:
                raise PatternError(f"\\x{digits[:80]} is no character")
            return 1 << min(int(digits, 16), OTHER)
        if one in _CONTROLS:
            return mask_of(_CONTROLS[one])
        if one.isalnum():
            raise PatternError(f"'\\{one}' is not served: patterns are as in RE2, without backreferences")
        return mask_of(one)

    def _until(self, end: str) -> str:
        text, closed, _ = self._text[self._place :].partition(end)
        if not closed:
            raise PatternError(f"{end!r} is missing")
        self._place += len(text) + len(end)
        return text

    def _set(self) -> int:
        """What follows `[`, up to its end."""
        negative, mask, first = self._take("^"), 0, True
        while first or not self._peek("]"):
            first = False
            if self._take("[:"):
                name = self._until(":]")
                if name.removeprefix("^") not in _POSIX:
                    raise PatternError(f"[:{name[:80]}:] is no class")
                found = _POSIX[name.removeprefix("^")]
                mask |= ALL & ~found if name.startswith("^") else found
                continue
            low = self._member()
            if self._peek("-") and not self._peek("-]"):
                self._place += 1
                mask |= _range(low, self._member())
            else:
                mask |= low
        self._place += 1
        mask = self._mask(mask)
        return ALL & ~mask if negative else mask

    def _member(self) -> int:
        one = self._next()
        return self._escape(self._next()) if one == "\\" else mask_of(one)

    def _folded(self, mask: int) -> Chars:
        return Chars(self._mask(mask))

    def _mask(self, mask: int) -> int:
        if "i" in self._flags:
            for small, large in zip(string.ascii_lowercase, string.ascii_uppercase, strict=True):
                both = mask_of(small + large)
                mask |= both if mask & both else 0
        return mask


def _range(low: int, high: int) -> int:
    """The characters from one to another, each given as a set of one."""
    first, last = low.bit_length() - 1, high.bit_length() - 1
    if low != 1 << first or high != 1 << last or first > last:
        raise PatternError("a range of characters must rise from one character to another")
    return (1 << last + 1) - (1 << first)
