"""Durations in the form that the Gateway API accepts."""

from __future__ import annotations

import pytest

from podwire.mesh.istio.durations import duration
from podwire.mesh.istio.written import ConversionError


@pytest.mark.parametrize(
    ("written", "expected"),
    [("2s", "2s"), ("1m30s", "1m30s"), ("0.5s", "500ms"), ("1.250s", "1s250ms"), ("2.0s", "2s"), ("1000us", "1ms")],
)
def test_a_duration_keeps_its_length(written: str, expected: str) -> None:
    assert duration(written) == expected


@pytest.mark.parametrize("written", ["", "5", "-1s", "1d", "0.0001s"])
def test_what_cannot_be_said_is_refused(written: str) -> None:
    with pytest.raises(ConversionError, match="write one as"):
        duration(written)
