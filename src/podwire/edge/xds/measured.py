"""What is counted of the Envoys of a proxy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from podwire.component.metrics import Histogram
from podwire.edge.xds.messages import Request, Response

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Measured:
    """Counts of one proxy since the start of the process."""

    def __init__(self) -> None:
        self.responses: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        """Both by type of resource: the last part of its type URL."""
        self.seconds = Histogram(SECONDS)

    def sent(self, responses: Iterable[Response]) -> None:
        """Count responses."""
        self.responses.update(_short(one.type_url) for one in responses)

    def received(self, request: Request) -> None:
        """Count a refusal, if the request is one."""
        if request.error:
            self.refusals[_short(request.type_url)] += 1

    def acknowledged(self, seconds: float) -> None:
        """Observe the time from a change to the last answer about it."""
        self.seconds.observe(seconds)


def _short(type_url: str) -> str:
    return type_url.rpartition(".")[2]
