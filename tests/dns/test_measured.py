"""Queries and their answers are counted, also those that are answered later or never."""

from collections.abc import Awaitable, Sequence

from podwire.dns.listen import NO_CLIENT, Peer
from podwire.dns.measured import MeasuredResponder, QueryMetrics


def wire(code: int) -> bytes:
    return bytes((0, 7, 0x80, 0x80 | code)) + bytes(8)


class Fixed:
    """Answers as the message's first byte demands."""

    def ready(self, raws: Sequence[bytes], now: float) -> list[bytes | None]:  # noqa: ARG002
        return [wire(3) if raw == b"known" else None for raw in raws]

    def answer(
        self,
        raw: bytes,
        *,
        stream: bool,  # noqa: ARG002
        client: Peer = NO_CLIENT,  # noqa: ARG002
    ) -> bytes | Awaitable[bytes | None] | None:
        return {b"n": wire(0), b"x": wire(3), b"-": None}.get(raw) if raw != b"l" else self.later()

    async def later(self) -> bytes:
        return wire(2)

    def failed(self, raw: bytes) -> bytes:  # noqa: ARG002
        return wire(2)


def values(metrics: QueryMetrics, of_workers: Sequence[int] = ()) -> dict[tuple[str, str], object]:
    samples = ((one.name, labels, value) for one in metrics.families(of_workers) for labels, value in one.samples)
    return {(name, *labels.values()): value for name, labels, value in samples}  # type: ignore[misc]  # at most one label


async def test_requests_answers_and_times_are_counted() -> None:
    metrics = QueryMetrics([0] * 16)
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


def test_answers_from_the_tables_are_counted_too() -> None:
    ready, of_workers = [0] * 16, [0] * 16
    metrics = QueryMetrics(ready)
    responder = MeasuredResponder(Fixed(), metrics)
    assert responder.ready((b"known", b"n"), 0.0) == [wire(3), None]
    ready[3], of_workers[3], of_workers[0] = 1, 4, 2
    for _ in range(2):  # a second scrape counts nothing twice
        found = values(metrics, of_workers)
        assert found["coredns_dns_requests_total", "udp"] == 7
        assert found["coredns_dns_responses_total", "NXDOMAIN"] == 5
        assert found["coredns_dns_responses_total", "NOERROR"] == 2
        assert sum(metrics.duration.counts) == 7
