"""Metrics of queries, under the names that CoreDNS gives them, and the responder that counts them.

Source: github.com/coredns/coredns `plugin/metrics/README.md`, `plugin/metrics/vars`. Its labels `server`, `zone`,
`view` and `type` are missing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from itertools import repeat

from podwire.component.metrics import Family, Histogram, counter, gauge, histogram
from podwire.dns.assembly import Assembly
from podwire.dns.listen import NO_CLIENT, Answer, Peer, Responder
from podwire.dns.message import Rcode
from podwire.dns.reloading import Reloader

BOUNDS = tuple(0.00025 * 2**step for step in range(16))
_RCODE_BYTE, _RCODE_BITS = 3, 0x0F
READY_SECONDS = 0.00001
"""What an answer from the table of ready answers counts for in the histogram of durations."""


class QueryMetrics:
    """Counts messages and their answers.

    `ready` is how many messages by UDP the table of ready answers answered in this process, by response code.
    """

    def __init__(self, ready: Sequence[int] = ()) -> None:
        self.requests = {"udp": 0, "tcp": 0}
        self.responses: Counter[int] = Counter()
        self.duration = Histogram(BOUNDS)
        self._ready = ready
        self._taken = [0] * 16

    def families(self, of_workers: Sequence[int] = ()) -> Iterator[Family]:
        """The metrics; `of_workers` is how many messages workers have answered by themselves, by response code."""
        self._take([sum(counts) for counts in zip(self._ready, of_workers or repeat(0), strict=False)])
        requests = tuple(({"proto": name}, count) for name, count in self.requests.items())
        yield Family("coredns_dns_requests_total", "Messages received, by transport.", "counter", requests)
        responses = tuple(({"rcode": _name(code)}, count) for code, count in sorted(self.responses.items()))
        yield Family("coredns_dns_responses_total", "Answers, by their code.", "counter", responses)
        text = "Time from a message to its answer."
        yield histogram("coredns_dns_request_duration_seconds", text, self.duration)

    def _take(self, ready: Sequence[int]) -> None:
        """Add what tables of ready answers have answered since the last time."""
        for code, total in enumerate(ready):
            count = total - self._taken[code]
            if count:
                self.requests["udp"] += count
                self.responses[code] += count
                self.duration.counts[0] += count
                self.duration.sum += count * READY_SECONDS
                self._taken[code] = total


class MeasuredResponder:
    """Passes messages on to another responder, and counts them."""

    def __init__(self, responder: Responder, metrics: QueryMetrics) -> None:
        self._responder = responder
        self._metrics = metrics

    def ready(self, raws: Sequence[bytes], now: float) -> Sequence[bytes | None]:
        """As that of the other one: the table counts. Durations are in the lowest bucket, as they are microseconds."""
        return self._responder.ready(raws, now)

    def answer(self, raw: bytes, *, stream: bool, client: Peer = NO_CLIENT) -> Answer | Awaitable[Answer]:
        """As that of the other one."""
        started = time.perf_counter()
        self._metrics.requests["tcp" if stream else "udp"] += 1
        found = self._responder.answer(raw, stream=stream, client=client)
        if found is None or isinstance(found, bytes):
            return self._count(found, started)
        return self._later(found, started)

    def failed(self, raw: bytes) -> bytes | None:
        """As that of the other one; the message was counted before."""
        return self._count(self._responder.failed(raw), time.perf_counter())

    async def _later(self, answer: Awaitable[Answer], started: float) -> Answer:
        return self._count(await answer, started)

    def _count(self, answer: Answer, started: float) -> Answer:
        if answer is not None:
            self._metrics.responses[answer[_RCODE_BYTE] & _RCODE_BITS] += 1
            self._metrics.duration.observe(time.perf_counter() - started)
        return answer


def of_forwarding(assembly: Assembly | None) -> Iterator[Family]:
    """How upstream servers answer, by address, and what the cache of their replies does."""
    pools = [forwarder.pool for forwarder in assembly.forwarders] if assembly is not None else []
    counts: Counter[tuple[str, str]] = Counter()
    for pool in pools:
        counts.update({("answered", to): count for to, count in pool.answered.items()})
        counts.update({("failed", to): count for to, count in pool.failed.items()})
    samples = tuple(({"to": to, "result": result}, count) for (result, to), count in sorted(counts.items()))
    text = "Queries that were forwarded, by upstream server and whether it answered in time and without a failure."
    yield Family("podwire_dns_upstream_requests_total", text, "counter", samples)
    caches = assembly.caches if assembly is not None else []
    hits = tuple(({"type": name}, sum(cache.hits[name] for cache in caches)) for name in ("success", "denial"))
    yield Family("coredns_cache_hits_total", "Replies that were found in the cache.", "counter", hits)
    yield counter("coredns_cache_misses_total", "Replies that were not.", sum(cache.misses for cache in caches))
    yield gauge("coredns_cache_entries", "Replies in the cache.", sum(map(len, caches)))


def of_configuration(reloader: Reloader | None, ready_answers: int) -> Iterator[Family]:
    """Whether the newest Corefile is used, and the table of ready answers."""
    text = "Corefiles that were rejected since the start."
    yield counter("coredns_reload_failed_total", text, reloader.failures if reloader is not None else 0)
    text = "1 while the newest Corefile is used."
    yield gauge("podwire_dns_corefile_used", text, float(reloader is None or not reloader.rejected))
    yield gauge("podwire_dns_ready_answers", "Whole answers in the table by question.", ready_answers)


def _name(code: int) -> str:
    return Rcode(code).name if code in set(Rcode) else str(code)
