"""Ports as clients write them. Pure."""

from __future__ import annotations


def read_port(text: str) -> int:
    """A port from 1 to 65535 in plain digits; 0 for any other text."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else 0
    return number if number < 1 << 16 else 0
