"""Suffixes of generated names. Source: k8s.io/apimachinery `pkg/util/rand`."""

from __future__ import annotations

import hashlib

SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels and no digits that look like them: random names never spell words (apimachinery `util/rand`)."""


def safe_text(seed: bytes, length: int) -> str:
    """Return text of safe letters, the same for the same seed."""
    number = int.from_bytes(hashlib.sha256(seed).digest())
    letters = []
    for _ in range(length):
        number, digit = divmod(number, len(SAFE_LETTERS))
        letters.append(SAFE_LETTERS[digit])
    return "".join(letters)
