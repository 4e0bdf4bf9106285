"""Durations of Istio's objects (protobuf's JSON form and Go's) in the form of the Gateway API. Pure."""

from __future__ import annotations

import re

from podwire.mesh.istio.written import ConversionError

_WHOLE = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}", re.ASCII)
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|ns)", re.ASCII)
_MILLISECONDS = {"h": 3_600_000.0, "m": 60_000.0, "s": 1000.0, "ms": 1.0, "us": 0.001, "ns": 0.000_001}
_LARGEST = 99_999


def duration(text: str) -> str:
    """Return a duration as gateway-api's GEP-2257 has it, by whole milliseconds. Raises ConversionError for others."""
    if _WHOLE.fullmatch(text):
        return text
    parts = _PART.findall(text)
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        raise ConversionError(f"{text!r} is no duration: write one as 500ms or 2s")
    milliseconds = sum(float(number) * _MILLISECONDS[unit] for number, unit in parts)
    whole = round(milliseconds)
    if abs(whole - milliseconds) > 1e-6 or whole > _LARGEST * 1000:
        raise ConversionError(f"{text!r} has no form in whole milliseconds: write one as 500ms or 2s")
    seconds, rest = divmod(whole, 1000)
    return f"{whole}ms" if not seconds else f"{seconds}s{f'{rest}ms' if rest else ''}"
