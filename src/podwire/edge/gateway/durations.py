"""Durations of the Gateway API. Source: GEP-2257: up to four parts of a number and `h`, `m`, `s` or `ms`. Pure."""

from __future__ import annotations

import re

_WHOLE = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}")
_PART = re.compile(r"([0-9]{1,5})(ms|h|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(text: str | None, absent: float = 0.0) -> float:
    """Return the seconds of a duration; `absent` for None or what is no duration, which the API's schema refuses."""
    if text is None or not _WHOLE.fullmatch(text):
        return absent
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
