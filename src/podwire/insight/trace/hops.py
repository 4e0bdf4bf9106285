"""The hops of a request, from what the client received and what Envoy logged, beside its explanation. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from podwire.insight.trace.access_log import LogLine
from podwire.insight.trace.probe import Received, Sending, Step
from podwire.insight.trace.report import HopLine, TraceReport
from podwire.insight.url.certificates import facts_of
from podwire.insight.url.question import Question
from podwire.insight.url.report import Kind, Report

SHOWN_BODY = 2000
SHOWN_HEADERS = ("content-type", "location", "server")


def trace(
    question: Question, sending: Sending, received: Received, line: LogLine | None, explained: Report,
    pods: Mapping[str, str],
) -> TraceReport:  # fmt: skip
    """Return the report. `pods`: by address, the pod that has it."""
    response = received.response
    hops = [*_client(sending, received), *_proxy(line, explained, pods)]
    return TraceReport(
        question.url,
        question.request.method,
        question.client,
        tuple(hops),
        response.status if response is not None else 0,
        response.body[:SHOWN_BODY].decode("utf-8", "replace") if response is not None else "",
        explained.outcome.text,
        agrees(explained, received, line),
    )


def agrees(explained: Report, received: Received, line: LogLine | None) -> bool:
    """Whether what happened is what was explained."""
    response, outcome = received.response, explained.outcome
    if outcome.kind is Kind.UNKNOWN:
        return True
    if response is None:
        return outcome.kind is Kind.CLOSED
    if outcome.kind is Kind.PASSED_ON:
        return True
    if outcome.kind is Kind.ANSWERED:
        return outcome.status == response.status and outcome.location in {"", response.header("location")}
    if outcome.kind is Kind.CLOSED:
        return False
    shares = [one for one in explained.backends if one.weight]
    backends = {one.backend for one in shares if not one.status}
    if line is not None and line.backend in backends and line.details == "via_upstream":
        return True
    return response.status in {one.status for one in shares if one.status}


def _client(sending: Sending, received: Received) -> Iterator[HopLine]:
    yield _name(sending, received.name)
    if received.connection is not None:
        yield _hop("TCP", received.connection)
    if received.tls is not None:
        yield _hop("TLS", received.tls)
    if received.certificate:
        yield HopLine("certificate", _certificate(received))
    if received.answer is None:
        return
    if received.response is None:
        yield _hop("answer", received.answer)
        return
    response = received.response
    headers = [f"{name}: {value}" for name in SHOWN_HEADERS if (value := response.header(name))]
    parts = [str(response.status), f"{len(response.body)} bytes", received.answer.text, *headers]
    yield HopLine("answer", ", ".join(parts), received.answer.milliseconds)


def _name(sending: Sending, step: Step) -> HopLine:
    if not step.error:
        return HopLine("DNS", f"{sending.host} -> {step.text}", step.milliseconds)
    if step.text:
        text = f"{sending.host}: {step.error}; the Gateway's address is used: {step.text}"
        return HopLine("DNS", text, step.milliseconds)
    return HopLine("DNS", f"{sending.host}: {step.error}", step.milliseconds, is_failed=True)


def _hop(name: str, step: Step) -> HopLine:
    return HopLine(name, step.error or step.text, step.milliseconds, is_failed=bool(step.error))


def _certificate(received: Received) -> str:
    facts = facts_of(received.certificate)
    names = ", ".join(facts.names) if facts is not None else "unreadable"
    until = f", until {facts.not_after:%Y-%m-%d}" if facts is not None else ""
    verified = f"a client that verifies refuses it: {received.refusal}" if received.refusal else "it verifies"
    return f"{names}{until}; {verified}"


def _proxy(line: LogLine | None, explained: Report, pods: Mapping[str, str]) -> Iterator[HopLine]:
    if line is None:
        return
    yield HopLine("Envoy", f"{line.pod}, request {line.request_id or '-'}", line.milliseconds)
    listener = next((one for one in explained.listeners if one.is_taken), None)
    gateway = line.gateway or (explained.gateway.gateway if explained.gateway is not None else "")
    yield HopLine("Gateway", f"{gateway}{f', listener {listener.name}' if listener is not None else ''}")
    yield HopLine("route", line.route_object or f"none ({line.details or 'no details'})")
    if line.backend:
        yield HopLine("backend", line.backend)
    if line.endpoint:
        pod = pods.get(line.endpoint.rpartition(":")[0].strip("[]"), "")
        yield HopLine("endpoint", f"{line.endpoint}{f' ({pod})' if pod else ''}")
    if line.flags not in (None, "-"):
        yield HopLine("flags", f"{line.flags}: {line.details or ''}")


def lines(report: TraceReport) -> Iterable[str]:
    """Yield the lines of the report for a reader."""
    yield f"{report.method} {report.url} from {report.client}"
    width = max(len(one.name) for one in report.hops)
    for one in report.hops:
        spent = "" if one.milliseconds is None else f"  [{one.milliseconds:g} ms]"
        yield f"  {one.name:<{width}}  {'failed: ' if one.is_failed else ''}{one.text}{spent}"
    verdict = "as explained" if report.agrees else "not as explained"
    yield f"{verdict}: {report.explained}"
