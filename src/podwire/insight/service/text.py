"""The text of a report. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from podwire.insight.service.report import (
    AccessLine,
    EndpointLine,
    Finding,
    FrontendLine,
    NodeLine,
    NodeName,
    PortLine,
    Report,
)
from podwire.kube.backend_choice import Outcome, Reason, Topology
from podwire.lab.base.text_columns import table

OUTCOMES = {
    Outcome.REFUSE: "refused: no endpoint of the cluster is usable",
    Outcome.DROP: "dropped: the policy is Local, and no endpoint is on the node",
}
TOPOLOGIES = {Topology.NONE: "", Topology.ZONE: "those of the same zone", Topology.NODE: "those of the same node"}
SHOWN = 8
"""Names or addresses in one line; more are counted."""
SHOWN_ENDPOINTS = 20
"""Endpoints of a port on a node; more are counted, and all are in JSON."""


def text(report: Report) -> str:
    """Return the whole report for a reader."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"Service {report.service}{', as written in files' if report.is_planned else ''}"
    yield from _indented(table([("answer", report.answer), ("type", report.type), *report.settings]), 2)
    if report.frontends:
        yield ""
        yield from table([("FRONTEND", "ADDRESS", "PORT", "NAME", ""), *map(_frontend, report.frontends)])
    ports = any(not frontend.address for frontend in report.frontends)
    for line in report.nodes:
        yield ""
        yield from _node(line, with_node_ports=ports)
    if report.findings:
        yield ""
        yield "FINDINGS"
        for finding in report.findings:
            yield from finding_lines(finding)
    if report.kernel is not None:
        yield ""
        yield "KERNEL"
        yield from _indented(report.kernel or ("The kernels of these nodes hold what is written above.",), 2)


def _frontend(line: FrontendLine) -> tuple[str, ...]:
    by = "" if line.announcer is None else f"announced by {line.announcer or 'no node'}"
    who = "" if line.sources is None else f"clients in {', '.join(line.sources) or 'no range'} only"
    more = ", ".join(filter(None, (by, who)))
    return line.kind, line.address or "every node", f"{line.port}/{line.protocol}", line.port_name or "-", more


def _node(line: NodeLine, *, with_node_ports: bool) -> Iterator[str]:
    yield f"ON {_joined([_name(node) for node in line.nodes])}"
    addresses = [one for node in line.nodes for one in node.node_port_addresses]
    if with_node_ports and addresses:
        yield f"  node ports on {_joined(addresses)}"
    for port in line.ports:
        name = f"{port.name}: " if port.name else ""
        yield f"  {name}{port.port}/{port.protocol} to target port {port.target_port}, {port.family}"
        yield from _indented(table([(way.access, _access(way)) for way in port.access]), 4)
        yield from _indented(_endpoints(port), 4)


def _name(node: NodeName) -> str:
    return f"{node.name} (zone {node.zone})" if node.zone else node.name


def _joined(words: list[str]) -> str:
    shown = ", ".join(words[:SHOWN])
    return f"{shown} and {len(words) - SHOWN} more" if len(words) > SHOWN else shown


def _access(way: AccessLine) -> str:
    if way.outcome is not Outcome.USED:
        return OUTCOMES[way.outcome]
    count = f"{way.endpoints} endpoint{'' if way.endpoints == 1 else 's'}"
    parts = [f"policy {way.policy}", TOPOLOGIES[way.topology], f"source {way.source}" if way.source else ""]
    parts.insert(1, "terminating ones, as none is ready" if way.fallback else "")
    return ", ".join(filter(None, (count, *parts)))


def _endpoints(port: PortLine) -> list[str]:
    """The table of endpoints. Of many, those that are used on some way come first, and the rest is counted."""
    if not port.endpoints:
        return []
    heads = [way.access.upper() for way in port.access]
    rows: list[tuple[str, ...]] = [("ENDPOINT", "POD", "NODE", "ZONE", "STATE", *heads)]
    used = [one for one in port.endpoints if Reason.USED in one.reasons]
    whole = len(port.endpoints) <= SHOWN_ENDPOINTS
    shown = port.endpoints if whole else used[:SHOWN_ENDPOINTS]
    lines = table([*rows, *map(_endpoint, shown)])
    left_out = len(used) - len(used[:SHOWN_ENDPOINTS])
    if not whole and left_out:
        lines.append(f"and {left_out} more that are used")
    if not whole and len(used) < len(port.endpoints):
        others = Counter(one.reasons for one in port.endpoints if Reason.USED not in one.reasons)
        lines += [f"and {count} that are not: {', '.join(dict.fromkeys(why))}" for why, count in others.items()]
    return lines


def _endpoint(one: EndpointLine) -> tuple[str, ...]:
    address = f"[{one.address}]" if ":" in one.address else one.address
    return f"{address}:{one.port}", one.pod or "-", one.node or "-", one.zone or "-", one.state, *one.reasons


def finding_lines(finding: Finding) -> Iterator[str]:
    """Yield the lines of a finding: what is so, and what to do."""
    yield f"  {finding.severity:<7}  {finding.text}"
    if finding.remedy:
        yield f"           {finding.remedy}"


def _indented(lines: list[str] | tuple[str, ...], by: int) -> Iterator[str]:
    return (" " * by + line for line in lines)
