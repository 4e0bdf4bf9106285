"""A traced request as values: what `-o json` prints, and what the text shows."""

from __future__ import annotations

from podwire.insight.service.report import Value


class HopLine(Value, frozen=True):
    """One hop; `milliseconds` is None where it was not measured. `is_failed`: the request ends here."""

    name: str
    text: str
    milliseconds: float | None = None
    is_failed: bool = False


class TraceReport(Value, frozen=True):
    """All hops of a request.

    Attributes:
        status: of the answer; 0: there was none.
        explained: what `podwire explain url` expects.
        agrees: whether that is what happened.

    """

    url: str
    method: str
    client: str
    hops: tuple[HopLine, ...]
    status: int
    body: str
    explained: str
    agrees: bool
