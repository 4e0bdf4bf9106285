"""SIGTERM and SIGHUP like Ctrl-C: unfinished work is removed before the program ends."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

import click

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Termination(SystemExit):
    """A signal ended the program; the exit status is 128 plus its number, as in a shell."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


@contextlib.contextmanager
def cleanup_on_signal(outcome: Callable[[], str]) -> Iterator[None]:
    """Raise Termination in the block at a signal; after its cleanup print the signal and the `outcome`.

    `outcome` is called after the cleanup: a block that had just ended has left what it made.
    A signal that is ignored stays ignored, for nohup(1).
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, _terminate)
    try:
        yield
    except Termination as end:
        with contextlib.suppress(OSError):  # after SIGHUP the terminal does not exist
            click.echo(f"podwire: ended by {end.name}; {outcome()}", err=True)
        raise
    finally:
        for number in handled:
            signal.signal(number, before[number])


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal names the arguments
    """End the program at the first signal; ignore others, so that the cleanup is not interrupted."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise Termination(number)
