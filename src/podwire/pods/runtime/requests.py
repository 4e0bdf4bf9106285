"""Metrics of the requests that a container runtime makes by the CNI plugin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from podwire.component.metrics import Family, Histogram

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds. An ADD waits at most 30 for its pod and its policies."""


class CniRequests:
    """Counts requests by command and error code, and how long they took."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int]] = Counter()
        self._durations: dict[str, Histogram] = {}

    def observe(self, command: str, code: int, seconds: float) -> None:
        """Count a request; the code is 0 for success. The command is one of the specification's, or empty."""
        self._counts[command, code] += 1
        if command not in self._durations:
            self._durations[command] = Histogram(BOUNDS)
        self._durations[command].observe(seconds)

    def families(self) -> Iterator[Family]:
        """The metrics."""
        counts = tuple(
            ({"command": command, "code": str(code)}, count) for (command, code), count in sorted(self._counts.items())
        )
        text = "Requests of the container runtime, by command and CNI error code."
        yield Family("podwire_cni_requests_total", text, "counter", counts)
        durations = tuple(({"command": command}, value) for command, value in sorted(self._durations.items()))
        yield Family("podwire_cni_request_duration_seconds", "Time of one request.", "histogram", durations)
