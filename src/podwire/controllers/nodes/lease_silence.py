"""For how long the Lease of a node is not renewed, in rounds that the API server answered. No I/O.

Where the machine is overloaded, this process, the API server and the kubelets are all late, and a limit in seconds
would count nodes as dead whose renewal is on its way. So the Lease of a node that is late is read once a round, and
only answers that show no renewal count. On an idle machine this takes the grace period, on a slow one longer by the
time of the answers.

    event                              count of rounds
    a renewal, by watch or by reading  0
    the server does not answer         0, and the node is late only after another pause
    read, not renewed                  one more; at ROUNDS the node is silent
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ROUNDS = 6
LATE = 0.4
"""The part of the grace period after which a node is late and its Lease is read; the other rounds share the rest."""


@dataclass(slots=True)
class _Renewal:
    """The last renewal as this process has seen it: its text, and when that was, in seconds of a monotonic clock."""

    text: str | None
    seen: float
    rounds: int = 0
    read: float = -math.inf


class LeaseSilence:
    """All nodes that have had a Lease. Times are seconds of one monotonic clock."""

    def __init__(self, grace_seconds: float) -> None:
        self._late = grace_seconds * LATE
        self._round = grace_seconds * (1 - LATE) / (ROUNDS - 1)
        self._nodes: dict[str, _Renewal] = {}

    def renew(self, node: str, text: str | None, now: float) -> bool:
        """Take the renewTime of a Lease; return whether it is a new one."""
        known = self._nodes.get(node)
        if known is not None and known.text == text:
            return False
        self._nodes[node] = _Renewal(text, now)
        return True

    def next_read(self, node: str, now: float) -> float | None:
        """Return the seconds until the Lease is to be read; None for a node that has none, or is silent already."""
        known = self._nodes.get(node)
        if known is None or known.rounds >= ROUNDS:
            return None
        return max(0.0, max(known.seen + self._late, known.read + self._round) - now)

    def not_renewed(self, node: str, now: float) -> None:
        """Count a reading that showed no renewal; `now` is when the answer came."""
        known = self._nodes[node]
        known.rounds += 1
        known.read = now

    def not_answered(self, node: str, now: float) -> None:
        """Begin again: the server does not answer, which is no sign of the node."""
        known = self._nodes[node]
        known.rounds, known.seen = 0, now

    def silent(self, node: str) -> bool:
        """Return whether the node counts as dead."""
        known = self._nodes.get(node)
        return known is not None and known.rounds >= ROUNDS

    def renewing(self, node: str, now: float) -> bool:
        """Return whether the node has a Lease that is not late."""
        known = self._nodes.get(node)
        return known is not None and now - known.seen < self._late
