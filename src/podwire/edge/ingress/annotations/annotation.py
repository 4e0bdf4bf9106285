"""An annotation: its grammar, and whether it is honoured, how it differs, or why it is refused. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

MOST = 1_000_000
LONGEST_SECONDS = 2**31 - 1


class Support(enum.StrEnum):
    """How an annotation is honoured."""

    EXACT = "exact"
    DIFFERS = "differs"
    REFUSED = "refused"


class Annotation(msgspec.Struct, frozen=True):
    """An annotation without its prefix.

    Attributes:
        grammar: reads its value; None for one that is refused.
        note: how it differs, or why it is refused and what replaces it.
        alias_of: the annotation that it is another name of.
        only: of one without an effect, the values that are what happens anyway. None: each value has its effect.

    """

    name: str
    area: str
    support: Support
    grammar: Callable[[str], Any] | None = None
    note: str = ""
    alias_of: str = ""
    only: tuple[object, ...] | None = None

    @property
    def field(self) -> str:
        """Name of the field of `Settings`."""
        return (self.alias_of or self.name).replace("-", "_")

    def ignores(self, value: object) -> bool:
        """Whether the value sets another behaviour than the only one that there is."""
        return self.only is not None and value not in self.only


def exact(area: str, **grammars: Callable[[str], Any]) -> Iterator[Annotation]:
    """Yield annotations that are honoured as they are documented; names have underscores for hyphens."""
    for name, one in grammars.items():
        yield Annotation(name.replace("_", "-"), area, Support.EXACT, one)


def differs(area: str, name: str, grammar: Callable[[str], Any], note: str) -> Annotation:
    """Return an annotation that is honoured with a difference."""
    return Annotation(name, area, Support.DIFFERS, grammar, note)


def ignored(area: str, name: str, grammar: Callable[[str], Any], note: str, *only: object) -> Annotation:
    """Return an annotation that has no effect; values other than `only` are reported."""
    return Annotation(name, area, Support.DIFFERS, grammar, note, only=only)


def alias(area: str, name: str, grammar: Callable[[str], Any], of: str) -> Annotation:
    """Return another name of an annotation."""
    return Annotation(name, area, Support.EXACT, grammar, f"another name of {of}", of)


def refused(area: str, note: str, *names: str) -> Iterator[Annotation]:
    """Yield annotations that have no effect, for one reason."""
    for name in names:
        yield Annotation(name, area, Support.REFUSED, None, note)
