"""Queries and their answers are counted, also those that are answered later or never."""

from collections.abc import Awaitable

from podwire.dns.listen import NOBODY, Peer
from podwire.dns.measured import MeasuredResponder, QueryMetrics


def wire(code: int) -> bytes:
    return bytes((0, 7, 0x80, 0x80 | code)) + bytes(8)


class Fixed:
    """Answers as the message's first byte demands."""

    def ready(self, raw: bytes, now: float) -> tuple[bytes, int] | None:  # noqa: ARG002
        return (wire(3), 3) if raw == b"known" else None

    def answer(
        self,
        raw: bytes,
        *,
        stream: bool,  # noqa: ARG002
        client: Peer = NOBODY,  # noqa: ARG002
    ) -> bytes | Awaitable[bytes | None] | None:
        return {b"n": wire(0), b"x": wire(3), b"-": None}.get(raw) if raw != b"l" else self.later()

    async def later(self) -> bytes:
        return wire(2)

    def failed(self, raw: bytes) -> bytes:  # noqa: ARG002
        return wire(2)


def values(metrics: QueryMetrics) -> dict[tuple[str, str], object]:
    return {(family.name, *labels.values()): value for family in metrics.families() for labels, value in family.samples}  # type: ignore[misc]  # at most one label


async def test_requests_answers_and_times_are_counted() -> None:
    metrics = QueryMetrics()
    responder = MeasuredResponder(Fixed(), metrics)
    assert responder.answer(b"n", stream=False) == wire(0)
    assert responder.answer(b"x", stream=True) == wire(3)
    assert responder.answer(b"-", stream=False) is None
    later = responder.answer(b"l", stream=False)
    assert later is not None
    assert not isinstance(later, bytes)
    assert sum(metrics.duration.counts) == 2
    assert await later == wire(2)
    assert responder.failed(b"n") == wire(2)
    found = values(metrics)
    assert found["coredns_dns_requests_total", "udp"] == 3
    assert found["coredns_dns_requests_total", "tcp"] == 1
    assert found["coredns_dns_responses_total", "NOERROR"] == 1
    assert found["coredns_dns_responses_total", "NXDOMAIN"] == 1
    assert found["coredns_dns_responses_total", "SERVFAIL"] == 2
    assert sum(metrics.duration.counts) == 4


def test_answers_from_the_table_are_counted_too() -> None:
    metrics = QueryMetrics()
    responder = MeasuredResponder(Fixed(), metrics)
    assert responder.ready(b"known", 0.0) == (wire(3), 3)
    assert responder.ready(b"n", 0.0) is None
    for _ in range(2):  # a second scrape counts nothing twice
        found = values(metrics)
        assert found["coredns_dns_requests_total", "udp"] == 1
        assert found["coredns_dns_responses_total", "NXDOMAIN"] == 1
        assert sum(metrics.duration.counts) == 1
