"""Whether one door is open to another pod: what was seen, and a sentence for the test's report."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one

OPEN = "open"
SILENT = "silent"

SILENCE_SECONDS = 0.75
"""How long a knock waits: a TCP client sends its first packet, and waits 1 s to send it again."""

PAUSE_SECONDS = 0.1

HINTS = {
    OPEN: "it was let through",
    SILENT: "nothing came back: a policy, or no way there",
    "refused": "refused: the packets arrived, and nothing listens on that port",
    "no-name": "the name was not found: is it right, and may the pod ask DNS?",
}


@dataclass(frozen=True)
class Verdict:
    """True where what was expected was seen. `expected` and `seen` are outcomes of `podwire.testing.knock`."""

    source: str
    target: str
    protocol: str
    expected: str
    seen: str
    seconds: float

    def __bool__(self) -> bool:
        return self.seen == self.expected

    def __repr__(self) -> str:
        way = f"{self.source} -> {self.protocol} {self.target}"
        if self:
            return f"<{way}: {self.seen}>"
        hint = HINTS.get(self.seen, self.seen)
        return f"<{way}: not {self.expected} within {self.seconds:.1f} s; the last try: {hint}>"


def settle(ask: Callable[[], str], expected: str, within: float) -> tuple[str, float]:
    """Ask until the outcome is the expected one or `within` seconds are over: the last outcome, and the time taken.

    Policies and endpoints reach the kernel a moment after they were written, so that one look would be a race.
    """
    began = time.monotonic()
    while True:
        seen = ask()
        taken = time.monotonic() - began
        if seen == expected or taken > within:
            return seen, taken
        threading.Event().wait(PAUSE_SECONDS)


def split(target: str) -> tuple[str, int]:
    """Host and port of `backend:8080`, `[fd00::1]:80` or `shop/deploy/backend:8080`. Raises ValueError."""
    host, _, port = target.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{target!r}: write HOST:PORT, such as 'backend.shop:8080' or '[fd00::1]:80'")
    return host.removeprefix("[").removesuffix("]"), int(port)
