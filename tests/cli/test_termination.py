"""A signal ends a program as Ctrl-C does: cleared away first, then a line and the status of the signal."""

from __future__ import annotations

import os
import signal

import pytest

from podwire.cli.termination import Termination, cleanup_on_signal


def stubborn(number: signal.Signals, cleared: list[str]) -> None:
    """A program that a signal ends, and another one while it clears away."""
    with cleanup_on_signal(lambda: "nothing is left"):
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            cleared.append("a")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_lets_the_program_clear_away(
    number: signal.Signals, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    cleared: list[str] = []
    with pytest.raises(Termination) as ended:
        stubborn(number, cleared)
    assert cleared == ["a"]
    assert ended.value.code == status
    assert capsys.readouterr().err == f"podwire: ended by {number.name}; nothing is left\n"
    assert signal.getsignal(number) is before


def test_the_outcome_is_reported_when_all_is_removed(capsys: pytest.CaptureFixture[str]) -> None:
    left = ["a world"]

    @cleanup_on_signal(lambda: f"left: {left}")
    def program() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            left.clear()

    with pytest.raises(Termination):
        program()
    assert capsys.readouterr().err == "podwire: ended by SIGTERM; left: []\n"


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with cleanup_on_signal(lambda: "nothing is left"):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
