"""A link as a value: what names one end of a pod's cable on its node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """A link of a network namespace. Its index distinguishes it from a later link of the same name."""

    name: str
    index: int
