"""The text of a report. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from podwire.insight.service.text import SHOWN_ENDPOINTS, finding_lines
from podwire.insight.url.report import BackendLine, GatewayLine, PolicyLine, Report, RouteLine
from podwire.lab.base.text_columns import table

SHOWN_POLICIES = 12
"""Connections that are shown; all that are not allowed come first, and all are in JSON."""


def text(report: Report) -> str:
    """Return the whole report for a reader."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    planned = ", as written in files" if report.is_planned else ""
    yield f"{report.client} -> {report.method} {report.url}{planned}"
    yield from _indented(table([("answer", report.outcome.text), ("DNS", _dns(report))]), 2)
    if report.gateway is not None:
        yield from _section(_gateway(report.gateway, is_planned=report.is_planned))
    yield from _section(_listeners(report))
    yield from _section(_routes(report))
    if report.steps:
        yield from _section(["ON THE WAY", *_indented(report.steps, 2)])
    yield from _section(_backends(report.backends))
    yield from _section(_policies(report.policies))
    if report.findings:
        yield from _section(["FINDINGS", *(line for one in report.findings for line in finding_lines(one))])
    for change in report.changes:
        yield from _section([f"CHANGE: {change.text}", *_indented(change.yaml.splitlines(), 2)])


def _section(lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield from lines


def _dns(report: Report) -> str:
    found = ", ".join(report.dns.addresses)
    return f"{report.dns.name}{f' -> {found}' if found else ''} ({report.dns.text})"


def _gateway(line: GatewayLine, *, is_planned: bool) -> list[str]:
    rows = [("class", line.gateway_class)] if line.gateway_class else []
    if not is_planned:
        rows.append(("address", ", ".join(line.addresses) or "not assigned"))
        rows.append(("Service", line.service or "not there yet"))
        rows.append(("Envoys", ", ".join(line.envoys) or "none is ready"))
    return [f"{line.kind.upper()} {line.gateway}{f' ({line.place})' if line.place else ''}", *_indented(table(rows), 2)]


def _listeners(report: Report) -> list[str]:
    if not report.listeners:
        return []
    head = ("LISTENER", "PORT", "HOSTNAME", "CERTIFICATE", "RESULT")
    rows = [
        (one.name, f"{one.port}/{one.protocol}", one.hostname, one.certificate or "-", one.result)
        for one in report.listeners
    ]
    return table([head, *rows])


def _routes(report: Report) -> list[str]:
    if not report.routes:
        return []
    head = f"ROUTES of host {report.host}, in the order in which they are tried" if report.host else "ROUTES"
    return [head, *_indented(table([("ROUTE", "RULE", "WANTS", "RESULT"), *map(_route, report.routes)]), 2)]


def _route(line: RouteLine) -> tuple[str, ...]:
    where = f" ({line.place})" if line.place else ""
    return f"{line.route}{where}", line.rule or "-", line.wants or "-", line.result


def _backends(lines: tuple[BackendLine, ...]) -> list[str]:
    if not lines:
        return []
    found = ["BACKENDS"]
    for line in lines:
        found.append(f"  {line.backend or 'not resolved'}: {line.percent:.3g} % (weight {line.weight}), {line.text}")
        rows = [(one.address, one.pod or "-", one.node or "-", one.state, "used" if one.is_used else "not used")
                for one in line.endpoints]  # fmt: skip
        found += _indented(table(rows[:SHOWN_ENDPOINTS]), 4)
        if len(rows) > SHOWN_ENDPOINTS:
            found.append(f"    and {len(rows) - SHOWN_ENDPOINTS} more")
    return found


def _policies(lines: tuple[PolicyLine, ...]) -> list[str]:
    if not lines:
        return []
    grouped: dict[tuple[str, str, bool, str], list[PolicyLine]] = {}
    for one in sorted(lines, key=lambda one: one.is_allowed):
        key = one.source_workload, one.destination_workload, one.is_allowed, one.text
        grouped.setdefault(key, []).append(one)
    rows = [_connections(found) for found in grouped.values()]
    found = ["CONNECTIONS", *_indented(table(rows[:SHOWN_POLICIES]), 2)]
    if len(rows) > SHOWN_POLICIES:
        found.append(f"  and {len(rows) - SHOWN_POLICIES} more")
    return found


def _connections(found: list[PolicyLine]) -> tuple[str, ...]:
    """Return one row for the pods of a workload of which the same is so."""
    first = found[0]
    sources, destinations = ({one.source for one in found}, {one.destination for one in found})
    source = f"{first.source_workload} ({len(sources)} pods)" if len(sources) > 1 else first.source
    destination = first.destination
    if len(destinations) > 1:
        name, _, port = first.destination_workload.partition(" ")
        destination = f"{name} ({len(destinations)} pods) {port}"
    word = "allowed" if first.is_allowed else "undecidable" if first.is_undecidable else "not allowed"
    return source, "->", destination, word, first.text


def _indented(lines: list[str] | tuple[str, ...], by: int) -> list[str]:
    return [" " * by + line for line in lines]
