"""Regular expressions whose time is bounded: it grows with the text and the pattern, never with their ways to match.

Names are what any client sends, and Python's `re` takes 2^n steps for some of them. Here all ways are followed at the
same time (Thompson 1968; swtch.com/~rsc/regexp). Whether a text matches is found by sets of places in the program,
which are kept as states; only then the groups are found. Among several matches the choice is that of Perl.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

from podwire.dns.corefile.pattern_program import Done, Mark, Need, Split, Take, program
from podwire.dns.corefile.pattern_syntax import WORD, Edge, Group, Parser, mask_of

MOST_TRANSITIONS = 4096
"""Of a pattern that are kept; more begin again."""
KEPT_PATTERNS = 256


State = tuple[frozenset[int], bool, bool]
"""Places in the program before a character; whether it is the first one; whether the one before it is of a word."""
_START: State = (frozenset({0}), True, False)
_MATCHED: State = (frozenset(), False, False)
END = ""
Slots = tuple[int | None, ...]
"""Beginning and end of each group."""


class Context(NamedTuple):
    """A place in a text: what is before it, the character after it, its number."""

    at_start: bool
    after_word: bool
    character: str
    number: int = 0

    def holds(self, edge: Edge) -> bool:
        """Whether the place is such an edge."""
        match edge:
            case "start":
                return self.at_start
            case "end":
                return self.character == END
            case "word" | "inside":
                return (self.after_word != bool(WORD & mask_of(self.character))) == (edge == "word")


class Found:
    """A match: the texts of its groups, 0 being the whole; empty for a group that took no part."""

    def __init__(self, text: str, slots: Slots, names: dict[str, int]) -> None:
        self._text = text
        self._slots = slots
        self._names = names

    def group(self, key: int | str) -> str:
        """The text of a group by number or name; empty where there is none."""
        number = key if isinstance(key, int) else self._names.get(key, -1)
        if not 0 <= number < len(self._slots) // 2:
            return ""
        start, end = self._slots[2 * number : 2 * number + 2]
        return self._text[start:end] if start is not None and end is not None else ""


class Pattern:
    """A compiled pattern. The constructor raises PatternError."""

    def __init__(self, text: str) -> None:
        self.text = text
        parser = Parser(text)
        tree = parser.parse()
        self._groups = parser.groups + 1
        self._names = parser.names
        self._program = program(Group(0, tree))
        self._kept: dict[tuple[State, str], State] = {}
        """By state and character the next state."""

    def search(self, text: str) -> Found | None:
        """The first match anywhere in the text."""
        return Found(text, self._slots(text), self._names) if self.matches(text) else None

    def matches(self, text: str) -> bool:
        """Whether there is a match anywhere in the text."""
        state = _START
        for one in (*text, END):
            following = self._kept.get((state, one))
            if following is None:
                if len(self._kept) >= MOST_TRANSITIONS:
                    self._kept.clear()
                following = self._kept[state, one] = self._following(state, one)
            if following is _MATCHED:
                return True
            state = following
        return False

    def _following(self, state: State, one: str) -> State:
        places, at_start, after_word = state
        bit, context = mask_of(one), Context(at_start, after_word, one)
        following = {0}
        seen: set[int] = set()
        for place in places:
            for reached, _ in self._reached(place, (), seen, context):
                step = self._program[reached]
                if isinstance(step, Done):
                    return _MATCHED
                if isinstance(step, Take) and step.mask & bit:
                    following.add(reached + 1)
        return frozenset(following), False, bool(WORD & bit)

    def _slots(self, text: str) -> Slots:
        """The groups of the match, each by beginning and end, of a text that has one."""
        nothing: Slots = (None,) * (2 * self._groups)
        threads, best = [(0, nothing)], None
        after_word = False
        for number, one in enumerate((*text, END)):
            if number and best is None:
                threads.append((0, nothing))
            threads, ended = self._advanced(threads, Context(not number, after_word, one, number))
            best = ended or best
            after_word = bool(WORD & mask_of(one))
        return best or nothing

    def _advanced(
        self, threads: list[tuple[int, Slots]], context: Context
    ) -> tuple[list[tuple[int, Slots]], Slots | None]:
        """The threads behind a character, the preferred first, and the groups where one before them has matched."""
        bit = mask_of(context.character)
        following: list[tuple[int, Slots]] = []
        seen: set[int] = set()
        for place, slots in threads:
            for reached, marked in self._reached(place, slots, seen, context):
                step = self._program[reached]
                if isinstance(step, Done):
                    return following, marked
                if isinstance(step, Take) and step.mask & bit:
                    following.append((reached + 1, marked))
        return following, None

    def _reached(self, place: int, slots: Slots, seen: set[int], context: Context) -> Iterator[tuple[int, Slots]]:
        """The steps that consume, or end, which are reached from a place without a character; the preferred first."""
        stack = [(place, slots)]
        while stack:
            place, slots = stack.pop()
            if place in seen:
                continue
            seen.add(place)
            step = self._program[place]
            if isinstance(step, Split):
                stack += ((step.second, slots), (step.first, slots))
            elif isinstance(step, Mark):
                marked = (*slots[: step.slot], context.number, *slots[step.slot + 1 :]) if slots else slots
                stack.append((place + 1, marked))
            elif isinstance(step, Need):
                if context.holds(step.edge):
                    stack.append((place + 1, slots))
            else:
                yield place, slots


@functools.lru_cache(maxsize=KEPT_PATTERNS)
def pattern(text: str) -> Pattern:
    """The compiled pattern. Raises PatternError."""
    return Pattern(text)
