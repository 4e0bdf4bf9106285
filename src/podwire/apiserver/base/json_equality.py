"""Equality of JSON values: numbers by value, but a boolean equals no number, which Python's `==` does not separate."""

from __future__ import annotations

from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


def json_equal(left: Any, right: Any) -> bool:
    """Whether two JSON values are the same. The order of an object's keys does not count; 1 equals 1.0, not true.

    Two values that differ cost no more than Python's `==`; two equal ones cost their encoding.
    """
    if left != right:
        return False
    if isinstance(left, str) and isinstance(right, str):
        return True
    return bool(_encode(left) == _encode(right)) or _same(left, right)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
