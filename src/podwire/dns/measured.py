"""Metrics of queries, under the names that CoreDNS gives them, and the responder that counts them.

Source: github.com/coredns/coredns `plugin/metrics/README.md`, `plugin/metrics/vars`. Its labels `server`, `zone`,
`view` and `type` are missing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping

from podwire.component.metrics import Family, Histogram, histogram
from podwire.dns.listen import Answer, Responder
from podwire.dns.message import Rcode

BOUNDS = tuple(0.00025 * 2**step for step in range(16))
_RCODE_BYTE, _RCODE_BITS = 3, 0x0F


class QueryMetrics:
    """Counts messages and their answers."""

    def __init__(self) -> None:
        self.requests = {"udp": 0, "tcp": 0}
        self.responses: Counter[int] = Counter()
        self.duration = Histogram(BOUNDS)

    def families(self) -> Iterator[Family]:
        """The metrics."""
        requests = tuple(({"proto": name}, count) for name, count in self.requests.items())
        yield Family("coredns_dns_requests_total", "Messages received, by transport.", "counter", requests)
        responses = tuple(({"rcode": _name(code)}, count) for code, count in sorted(self.responses.items()))
        yield Family("coredns_dns_responses_total", "Answers, by their code.", "counter", responses)
        text = "Time from a message to its answer."
        yield histogram("coredns_dns_request_duration_seconds", text, self.duration)


class MeasuredResponder:
    """Passes messages on to another responder, and counts them."""

    def __init__(self, responder: Responder, metrics: QueryMetrics) -> None:
        self._responder = responder
        self._metrics = metrics

    def answer(self, raw: bytes, *, stream: bool) -> Answer | Awaitable[Answer]:
        """As that of the other one."""
        started = time.perf_counter()
        self._metrics.requests["tcp" if stream else "udp"] += 1
        found = self._responder.answer(raw, stream=stream)
        if found is None or isinstance(found, bytes):
            return self._count(found, started)
        return self._later(found, started)

    def overloaded(self, raw: bytes) -> bytes | None:
        """As that of the other one; the message was counted before."""
        return self._count(self._responder.overloaded(raw), time.perf_counter())

    async def _later(self, answer: Awaitable[Answer], started: float) -> Answer:
        return self._count(await answer, started)

    def _count(self, answer: Answer, started: float) -> Answer:
        if answer is not None:
            self._metrics.responses[answer[_RCODE_BYTE] & _RCODE_BITS] += 1
            self._metrics.duration.observe(time.perf_counter() - started)
        return answer


def of_upstreams(answered: Mapping[str, int], failed: Mapping[str, int]) -> Iterator[Family]:
    """How upstream servers answer, by address."""
    samples = tuple(
        ({"to": to, "result": result}, count)
        for result, counts in (("answered", answered), ("failed", failed))
        for to, count in sorted(counts.items())
    )
    text = "Queries that were forwarded, by upstream server and whether it answered in time and without a failure."
    yield Family("podwire_dns_upstream_requests_total", text, "counter", samples)


def _name(code: int) -> str:
    return Rcode(code).name if code in set(Rcode) else str(code)
