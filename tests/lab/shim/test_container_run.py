from __future__ import annotations

import signal

import pytest

from podwire.lab.shim.container_run import terminated


@pytest.mark.parametrize(
    ("status", "code", "number", "reason"),
    [
        (0, 0, 0, "Completed"),
        (1 << 8, 1, 0, "Error"),
        (255 << 8, 255, 0, "Error"),
        (signal.SIGKILL, 137, 9, "Error"),
        (None, 137, 0, "ContainerStatusUnknown"),
    ],
)
def test_how_a_container_ended(status: int | None, code: int, number: int, reason: str) -> None:
    how = terminated(status, 1.0, 2.0)
    assert (how.exit_code, how.signal, how.reason, how.started, how.finished) == (code, number, reason, 1.0, 2.0)
