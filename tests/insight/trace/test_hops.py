"""Whether what happened is what was explained, and the lines that show it."""

from __future__ import annotations

import msgspec
import pytest

from podwire.insight.trace import hops
from podwire.insight.trace.access_log import LogLine
from podwire.insight.trace.http2_exchange import Response
from podwire.insight.trace.probe import Received, Sending, Step
from podwire.insight.url.question import question
from podwire.insight.url.report import BackendLine, DnsLine, Kind, Outcome, Report

SENDING = Sending("a.org", 80, False, "", "a.org", "GET", "/")
SHARES = (BackendLine("shop/web:80", 90, 90.0, ""), BackendLine("", 10, 10.0, "it is not there", 500))
VIA_WEB = LogLine(cluster="shop/web/80/http1", details="via_upstream", endpoint="10.0.0.1:8080", pod="envoy-0")
VIA_API = msgspec.structs.replace(VIA_WEB, cluster="shop/api/80/http1")
UNREACHED = msgspec.structs.replace(VIA_WEB, details="upstream_reset_before_response_started", flags="UF")


def explained(kind: Kind, status: int = 0, location: str = "", backends: tuple[BackendLine, ...] = ()) -> Report:
    outcome = Outcome(kind, "text", status, location)
    return Report("http://a.org/", "GET", "outside", outcome, DnsLine("a.org", (), ""), backends=backends)


def received(status: int, location: str = "") -> Received:
    headers = (("location", location),) if location else ()
    response = Response(status, headers, b"") if status else None
    error = "" if status else "connection reset"
    return Received(Step("10.0.0.9"), Step("10.0.0.9:80"), answer=Step("HTTP/1.1", 2.0, error), response=response)


@pytest.mark.parametrize(
    ("expected", "found", "line", "agrees"),
    [
        (explained(Kind.ANSWERED, 404), received(404), None, True),
        (explained(Kind.ANSWERED, 404), received(200), VIA_WEB, False),
        (explained(Kind.ANSWERED, 301, "/b"), received(301, "/b"), None, True),
        (explained(Kind.ANSWERED, 301, "/b"), received(301, "/c"), None, False),
        (explained(Kind.CLOSED), received(0), None, True),
        (explained(Kind.CLOSED), received(200), VIA_WEB, False),
        (explained(Kind.FORWARDED, backends=SHARES), received(200), VIA_WEB, True),
        (explained(Kind.FORWARDED, backends=SHARES), received(404), VIA_WEB, True),
        (explained(Kind.FORWARDED, backends=SHARES), received(200), VIA_API, False),
        (explained(Kind.FORWARDED, backends=SHARES), received(500), None, True),
        (explained(Kind.FORWARDED, backends=SHARES), received(503), UNREACHED, False),
        (explained(Kind.FORWARDED, backends=SHARES), received(0), None, False),
        (explained(Kind.PASSED_ON), received(200), None, True),
        (explained(Kind.PASSED_ON), received(0), None, False),
        (explained(Kind.UNKNOWN), received(0), None, True),
    ],
)
def test_what_happened_is_compared(expected: Report, found: Received, line: LogLine | None, agrees: bool) -> None:
    assert hops.agrees(expected, found, line) is agrees


def test_every_hop_has_a_line() -> None:
    report = hops.trace(
        question("http://a.org/"), SENDING, received(200), VIA_WEB, explained(Kind.FORWARDED, backends=SHARES),
        {"10.0.0.1": "shop/web-0"},
    )  # fmt: skip
    assert [one.name for one in report.hops] == [
        "DNS",
        "TCP",
        "answer",
        "Envoy",
        "Gateway",
        "route",
        "backend",
        "endpoint",
    ]
    assert list(hops.lines(report))[-2:] == ["  endpoint  10.0.0.1:8080 (shop/web-0)", "as explained: text"]


def test_the_hop_at_which_it_fails_is_the_last_one() -> None:
    found = Received(Step("10.0.0.9", 1.0, "Name or service not known"), Step("", 2.0, "10.0.0.9:80: timed out"))
    report = hops.trace(question("http://a.org/"), SENDING, found, None, explained(Kind.FORWARDED), {})
    assert [(one.name, one.is_failed) for one in report.hops] == [("DNS", False), ("TCP", True)]
    assert list(hops.lines(report))[1:] == [
        "  DNS  a.org: Name or service not known; the Gateway's address is used: 10.0.0.9  [1 ms]",
        "  TCP  failed: 10.0.0.9:80: timed out  [2 ms]",
        "not as explained: text",
    ]
