"""Parse decimal numbers of bounded length. Pure."""

from __future__ import annotations


def read_number(text: str, most_digits: int) -> int | None:
    """A number from 0 up of so many ASCII digits at most; None for any other text."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= most_digits else None


def read_port(text: str) -> int:
    """A port from 1 to 65535; 0 for any other text."""
    number = read_number(text, 5) or 0
    return number if number < 1 << 16 else 0
