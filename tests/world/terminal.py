"""A person at a terminal: a program with a terminal of its own, what it shows, and keys for it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import struct
import subprocess
import termios
import time
from collections.abc import Mapping

from tests.world.harness import KUBECTL, World


class Terminal:
    """Runs a program in a terminal of some rows and columns; use it in a `with` statement."""

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str], rows: int, columns: int) -> None:
        self.shown = ""
        self._ours, theirs = os.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen(
            ("setsid", "--ctty", *command),
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def resize(self, rows: int, columns: int) -> None:
        """Change the size; the kernel signals the program."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, text: str, seconds: float = 60) -> str:
        """Everything shown since the last call, as soon as it has the text; fails after a deadline."""
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{text!r} was not shown, but {self.shown!r}")
        seen, self.shown = self.shown, ""
        return seen

    def end(self, seconds: float = 20) -> int:
        """The exit code, after everything was shown."""
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, seconds: float) -> bool:
        """Whether more was shown in time."""
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError):  # EIO: the program has ended
            selector.register(self._ours, selectors.EVENT_READ)
            if selector.select(max(0.0, seconds)) and (data := os.read(self._ours, 65536)):
                self.shown += data.decode("utf-8", "replace")
                return True
        return False


def terminal_of(world: World, *arguments: str) -> Terminal:
    """Run kubectl in a terminal of 30 rows and 70 columns, in the namespace of the world's view."""
    where = (f"--namespace={world.namespace}",) if world.namespace else ()
    command = (KUBECTL, f"--context=podwire-{world.name}", *where, *arguments)
    return Terminal(command, world.home.environment, rows=30, columns=70)
