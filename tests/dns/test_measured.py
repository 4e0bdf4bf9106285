"""Queries and their answers are counted, also those that are answered later or never."""

from collections.abc import Awaitable

from podwire.dns.measured import MeasuredResponder, QueryMetrics, of_upstreams


def wire(code: int) -> bytes:
    return bytes((0, 7, 0x80, 0x80 | code)) + bytes(8)


class Fixed:
    """Answers as the message's first byte demands."""

    def answer(self, raw: bytes, *, stream: bool) -> bytes | Awaitable[bytes | None] | None:  # noqa: ARG002
        return {b"n": wire(0), b"x": wire(3), b"-": None}.get(raw) if raw != b"l" else self.later()

    async def later(self) -> bytes:
        return wire(2)

    def overloaded(self, raw: bytes) -> bytes:  # noqa: ARG002
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
    assert responder.overloaded(b"n") == wire(2)
    found = values(metrics)
    assert found["coredns_dns_requests_total", "udp"] == 3
    assert found["coredns_dns_requests_total", "tcp"] == 1
    assert found["coredns_dns_responses_total", "NOERROR"] == 1
    assert found["coredns_dns_responses_total", "NXDOMAIN"] == 1
    assert found["coredns_dns_responses_total", "SERVFAIL"] == 2
    assert sum(metrics.duration.counts) == 4


def test_upstream_servers_are_counted_by_result() -> None:
    (family,) = of_upstreams({"192.0.2.1:53": 3}, {"192.0.2.1:53": 1})
    assert family.samples == (
        ({"to": "192.0.2.1:53", "result": "answered"}, 3),
        ({"to": "192.0.2.1:53", "result": "failed"}, 1),
    )
