"""A pattern as a program: steps that are followed through a text, all ways at the same time. Pure.

Source: swtch.com/~rsc/regexp (Pike's machine).
"""

from __future__ import annotations

from typing import NamedTuple

from podwire.dns.corefile.pattern_syntax import (
    At,
    Chars,
    Choice,
    Edge,
    Group,
    Node,
    PatternError,
    Repeat,
    Sequence,
)

MOST_STEPS = 1000
"""A name of 255 characters costs at most so many steps for each character."""
MOST_PARTS = 10 * MOST_STEPS
"""Parts of a pattern with those that its counts repeat, also parts without a step."""


class Take(NamedTuple):
    """Consume a character of a set."""

    mask: int


class Split(NamedTuple):
    """Go on at both places, the first one preferred."""

    first: int
    second: int


class Mark(NamedTuple):
    """Keep the place in the text as the beginning or end of a group."""

    slot: int


class Need(NamedTuple):
    """Go on only at such a place of the text."""

    edge: Edge


class Done(NamedTuple):
    """The pattern matches."""


Step = Take | Split | Mark | Need | Done


def program(tree: Node) -> list[Step]:
    """The steps of a pattern. Raises PatternError for one that takes too many."""
    steps = _Compiler()
    steps.add(tree)
    steps.steps.append(Done())
    return steps.steps


class _Compiler:
    """Appends the steps of one part after the other."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._parts = 0

    def add(self, node: Node) -> None:
        """Append the steps of a part."""
        self._parts += 1
        if len(self.steps) > MOST_STEPS or self._parts > MOST_PARTS:
            raise PatternError(f"it is too large: at most {MOST_STEPS} steps, of which a count in braces takes many")
        match node:
            case Chars(mask):
                self.steps.append(Take(mask))
            case At(edge):
                self.steps.append(Need(edge))
            case Sequence(parts):
                for part in parts:
                    self.add(part)
            case Group(number, inner):
                self._group(number, inner)
            case Choice(parts):
                self._choice(parts)
            case Repeat():
                self._repeat(node)

    def _group(self, number: int, inner: Node) -> None:
        if number < 0:
            self.add(inner)
            return
        self.steps.append(Mark(2 * number))
        self.add(inner)
        self.steps.append(Mark(2 * number + 1))

    def _choice(self, parts: tuple[Node, ...]) -> None:
        ends = []
        for part in parts[:-1]:
            here = self._reserve()
            self.add(part)
            ends.append(self._reserve())
            self.steps[here] = Split(here + 1, len(self.steps))
        self.add(parts[-1])
        for end in ends:
            self.steps[end] = self._go(len(self.steps))

    def _repeat(self, node: Repeat) -> None:
        for _ in range(node.low):
            self.add(node.inner)
        if node.high is None:
            here = self._reserve()
            self.add(node.inner)
            self.steps.append(self._go(here))
            self.steps[here] = self._either(here + 1, len(self.steps), node)
            return
        places = []
        for _ in range(node.high - node.low):
            places.append(self._reserve())
            self.add(node.inner)
        for place in places:
            self.steps[place] = self._either(place + 1, len(self.steps), node)

    def _reserve(self) -> int:
        """A place for a step that is known later."""
        self.steps.append(Done())
        return len(self.steps) - 1

    def _go(self, place: int) -> Step:
        return Split(place, place)

    def _either(self, inside: int, behind: int, node: Repeat) -> Step:
        return Split(inside, behind) if node.greedy else Split(behind, inside)
