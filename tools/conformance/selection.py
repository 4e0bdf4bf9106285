"""Which tests a run is about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SCOPE = re.compile(r"\[sig-network\]|\[Conformance\]")
"""All tests of sig-network, and of the other groups those that a conformant cluster must pass."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The tests of a run: those in scope that match `focus` and not `skip`."""

    focus: str = ""
    skip: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the page may be written from it."""
        return not (self.focus or self.skip)

    def of(self, names: Iterable[str]) -> list[str]:
        """The selected names. Raises re.error for what is no regular expression."""
        chosen = [name for name in names if SCOPE.search(name) and re.search(self.focus, name)]
        return [name for name in chosen if not (self.skip and re.search(self.skip, name))]
