"""The answer as a table, as lines for spreadsheets, and as a graph for Graphviz. Pure."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterable, Iterator

import msgspec

from podwire.insight.reach.exposure import Exposure
from podwire.insight.reach.report import Connection, PortsLine, Report, WorkloadLine
from podwire.lab.base.text_columns import table

MOST_EDGES = 5_000
"""Of a graph; more would be no picture."""


def text(report: Report) -> str:
    """Return the answer as a table: destinations, ports, sources."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    lines = [("TO", "PORTS", "FROM")]
    before = ""
    for one in report.connections:
        lines.append((one.destinations if one.destinations != before else "", _ports(one), one.sources))
        before = one.destinations
    yield from table(lines)
    if report.exposures:
        opened = (
            (one.address, f"{one.kind} {one.name}", _to(one), one.reached_by or "nobody") for one in report.exposures
        )
        yield ""
        yield from table([("FROM OUTSIDE", "BY", "TO", "ADMITTED"), *opened])
    if report.unreached:
        yield ""
        yield f"Nothing reaches {', '.join(report.unreached)}."
    if not all(one.is_certain for one in report.connections):
        yield ""
        yield "? depends on the addresses that pods will have: a block of a policy holds some of the pod range."
    if report.notes:
        yield ""
        yield from report.notes


def _to(one: Exposure) -> str:
    more = f" and {len(one.to) - 3} more" if len(one.to) > 3 else ""
    return ", ".join(one.to[:3]) + more or "no pods"


def _ports(one: Connection) -> str:
    return " ".join(filter(None, (one.ports, one.family and f"({one.family})", "" if one.is_certain else "?")))


def to_json(report: Report) -> str:
    """Return the answer for programs."""
    return msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"


def to_csv(report: Report) -> Iterator[str]:
    """Yield the lines of each source, one for each destination and protocol. What a spreadsheet computes is quoted."""
    yield _csv_line(("from", "to", "protocol", "ports", "family", "certain", "by", "address"))
    cells: dict[str, str] = {}  # a cluster has few names and many lines

    def cell(text: str) -> str:
        if text not in cells:
            cells[text] = _csv_line((text,)).removesuffix("\n")
        return cells[text]

    for one in report.connections:
        certain = "yes" if one.is_certain else "no"
        ends = [
            f",{_csv_line((ports.protocol, _spans(ports), one.family, certain, '', ''))}" for ports in one.port_list
        ]
        whole = [f",{cell(destination)}{end}" for destination in one.to for end in ends]
        for source in map(cell, one.from_):
            yield "".join([source + rest for rest in whole])
    for way in report.exposures:
        by = (f"{way.kind} {way.name}", way.address)
        for name, port, protocol in map(_pod_port, way.to or ("",)):
            yield _csv_line((way.reached_by or "nobody", name, protocol, port, "", "yes", *by))


def _pod_port(text: str) -> tuple[str, str, str]:
    """Return workload, port and protocol of `shop/web:8080/TCP`."""
    name, _, port = text.partition(":")
    return name, *port.partition("/")[::2]


def _spans(ports: PortsLine) -> str:
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in ports.ranges)


def _csv_line(values: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(
        f"'{one}" if one[:1] in "=+-@\t\r" and one else one for one in values
    )
    return written.getvalue()


def to_dot(report: Report) -> str:
    """Return a graph: a box for each namespace, an edge for each pair. Raises TooManyEdgesError."""
    pairs = sum(len(one.from_) * len(one.to) for one in report.connections)
    pairs += sum(1 + len(one.to) for one in report.exposures)
    if pairs > MOST_EDGES:
        raise TooManyEdgesError(f"-o dot: {pairs:,} edges; {MOST_EDGES:,} is the most: use html, csv or json")
    return "\n".join(_dot_lines(report)) + "\n"


class TooManyEdgesError(Exception):
    """A graph too large to read."""


def _dot_lines(report: Report) -> Iterator[str]:
    yield "digraph reach {"
    yield "  rankdir=LR; node [shape=box, style=rounded];"
    for number, (namespace, found) in enumerate(
        itertools.groupby(sorted(report.workloads, key=_namespace), key=_namespace)
    ):
        yield f"  subgraph cluster_{number} {{ label={json.dumps(namespace)};"
        for workload in found:
            yield f"    {json.dumps(workload.name)} [label={json.dumps(workload.name.partition('/')[2])}];"
        yield "  }"
    for one in report.connections:
        style = "" if one.is_certain else ", style=dashed"
        for source, destination in itertools.product(one.from_, one.to):
            if source != destination:
                yield _edge(source, destination, _ports(one), style)
    yield from _ways(report.exposures)
    yield "}"


def _ways(exposures: Iterable[Exposure]) -> Iterator[str]:
    """Yield each way from outside: an ellipse between the clients that are admitted and the pods."""
    for one in exposures:
        name = f"{one.kind} {one.name} {one.address}"
        label = f"{one.kind} {one.name}\n{one.address}"
        yield f"  {json.dumps(name)} [shape=ellipse, label={json.dumps(label)}];"
        if one.reached_by:
            yield _edge("outside", name, one.reached_by.removeprefix("outside").lstrip(" ,;"))
        for workload, port, protocol in map(_pod_port, one.to):
            yield _edge(name, workload, f"{protocol} {port}", "" if one.reached_by else ", style=dotted")


def _edge(source: str, destination: str, label: str, style: str = "") -> str:
    return f"  {json.dumps(source)} -> {json.dumps(destination)} [label={json.dumps(label)}{style}];"


def _namespace(one: WorkloadLine) -> str:
    return one.name.partition("/")[0]
