"""A field of Istio's kinds: whether it is honoured, how it differs, or why it is refused. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterator

import msgspec


class Support(enum.StrEnum):
    """How a field is honoured."""

    EXACT = "exact"
    DIFFERS = "differs"
    REFUSED = "refused"


class Field(msgspec.Struct, frozen=True):
    """A field, with all fields below it that have no row of their own.

    Attributes:
        path: from the object on; `[]` is any item of a list.
        note: how it differs, or why it is refused and what replaces it.

    """

    kind: str
    path: str
    support: Support
    note: str = ""


def exact(kind: str, *paths: str) -> Iterator[Field]:
    """Yield fields that mean what Istio documents."""
    for path in paths:
        yield Field(kind, path, Support.EXACT)


def differs(kind: str, note: str, *paths: str) -> Iterator[Field]:
    """Yield fields that differ in one way."""
    for path in paths:
        yield Field(kind, path, Support.DIFFERS, note)


def refused(kind: str, note: str, *paths: str) -> Iterator[Field]:
    """Yield fields that have no effect, for one reason."""
    for path in paths:
        yield Field(kind, path, Support.REFUSED, note)
