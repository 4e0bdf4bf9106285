"""Whether a pod can connect to a port: the observed outcome, and a sentence for the test's report."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from podwire.kube.numbers import read_port

__tracebackhide__ = True  # in a failed test's report the user's own line is the last one

OPEN = "open"
SILENT = "silent"

SILENCE_SECONDS = 0.75
"""Wait of one try: a TCP client sends its first packet, and waits 1 s before it sends it again."""

SURE_SILENCE_SECONDS = 3.0
"""Wait of the second try where a program has to respond: on a busy machine it may be scheduled late."""

PATIENCE = {"TCP": (SILENCE_SECONDS,), "UDP": (SILENCE_SECONDS, SURE_SILENCE_SECONDS)}
"""Waits of the tries that must all be silent in a row. TCP connections are answered by the kernel itself."""

PAUSE_SECONDS = 0.1

HINTS = {
    OPEN: "it was let through",
    SILENT: "nothing came back: a policy, or no route",
    "refused": "refused: the packets arrived, and nothing listens on that port",
    "no-name": "the name was not found: is it right, and may the pod ask DNS?",
}


@dataclass(frozen=True)
class Verdict:
    """True if the expected outcome was observed. `expected` and `seen` are outcomes of `connection_probe`."""

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


def settle(
    attempt: Callable[[float], str], expected: str, within: float, patience: tuple[float, ...] = PATIENCE["TCP"]
) -> tuple[str, float]:
    """Try until the outcome is the expected one or `within` seconds are over; return the last outcome and the time.

    Policies and endpoints reach the kernel a moment after they were written, so that one try would be a race. `attempt`
    gets the seconds to wait. Silence is an outcome if as many tries in a row as `patience` has entries were silent.
    """
    began, silences = time.monotonic(), 0
    while True:
        seen = attempt(patience[min(silences, len(patience) - 1)])
        silences = silences + 1 if seen == SILENT else 0
        taken = time.monotonic() - began
        sure = seen != SILENT or silences >= len(patience)
        if sure and (seen == expected or taken > within):
            return seen, taken
        threading.Event().wait(PAUSE_SECONDS)


def split(target: str) -> tuple[str, int]:
    """Host and port of `backend:8080`, `[fd00::1]:80` or `shop/deploy/backend:8080`. Raises ValueError."""
    host, _, text = target.rpartition(":")
    port = read_port(text)
    if not host or not port:
        raise ValueError(f"{target!r}: write HOST:PORT, such as 'backend.shop:8080' or '[fd00::1]:80'")
    return host.removeprefix("[").removesuffix("]"), port
