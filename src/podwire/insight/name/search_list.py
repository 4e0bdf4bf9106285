"""The names that a resolver tries for one name, in order. Pure.

Source: resolv.conf(5) (search, ndots), glibc `resolv/res_query.c`. musl's resolver does the same, but ends at the first
name that exists.
"""

from __future__ import annotations

from collections.abc import Sequence

DEFAULT_NDOTS = 1
MOST_NDOTS = 15


def ndots_of(options: Sequence[str]) -> int:
    """The number of dots from which a name is tried as it is first."""
    for option in reversed(options):
        name, _, value = option.partition(":")
        if name == "ndots" and value.isascii() and value.isdecimal():
            return min(int(value[:4]), MOST_NDOTS)
    return DEFAULT_NDOTS


def candidates(name: str, searches: Sequence[str], ndots: int) -> tuple[str, ...]:
    """The full names, each with its last dot. A name that has one is the only one."""
    if name.endswith("."):
        return (name,)
    completed = [f"{name}.{search.removesuffix('.')}." for search in searches if search != "."]
    whole = f"{name}."
    return (whole, *completed) if name.count(".") >= ndots else (*completed, whole)
