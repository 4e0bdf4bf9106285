"""A text to read objects from. Pure."""

from __future__ import annotations

import msgspec

SUFFIXES = (".yaml", ".yml", ".json")
MOST_BYTES = 128 << 20


class SourceError(Exception):
    """What a name means cannot be read. The text has the name and the reason."""


class AbsentError(SourceError):
    """There is nothing of this name, or no object in it."""


class Text(msgspec.Struct, frozen=True):
    """A text and the name that its lines are cited with."""

    name: str
    content: str


def too_large(name: str) -> SourceError:
    """Return the error of a name with which all are larger than MOST_BYTES."""
    return SourceError(f"{name}: all files together are larger than {MOST_BYTES >> 20} MB: name fewer objects")
