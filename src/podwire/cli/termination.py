"""SIGTERM and SIGHUP as Ctrl-C: what was begun is cleared away before the program ends."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import click

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Termination(SystemExit):
    """A signal has ended the program; the exit status is a shell's for it: 128 and its number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


@contextlib.contextmanager
def tidy(outcome: Callable[[], str]) -> Iterator[None]:
    """Inside the block a signal raises Termination; once all is cleared away a line says so, and what the `outcome` is.

    A block that had just ended leaves what it made: the outcome is looked at, not foreseen.
    A signal that is ignored stays so, as nohup(1) wants it.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heeded = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, _terminate)
    try:
        yield
    except Termination as end:
        with contextlib.suppress(OSError):  # the terminal is gone, as SIGHUP says
            click.echo(f"podwire: ended by {end.name}; {outcome()}", err=True)
        raise
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal names the arguments
    """The first signal ends the program; another one shall not cut short how it clears away."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise Termination(number)
