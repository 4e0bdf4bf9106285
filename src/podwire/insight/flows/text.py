"""Flow records as lines for readers, in columns of fixed width, as they come one by one. Pure."""

from __future__ import annotations

from podwire.policy.flows.record import Endpoint, Flow

_WIDTHS = (12, 9, 7, 34, 34, 16)
HEADER = ("TIME", "VERDICT", "DIR", "SOURCE", "DESTINATION", "PORT", "WHY")


def header() -> str:
    """The names of the columns."""
    return _line(HEADER)


def line(flow: Flow) -> str:
    """One record. A Service's port is before the arrow, the pod's after it."""
    return _line(
        (
            flow.time[11:23],
            flow.verdict,
            flow.traffic_direction.lower(),
            _end(flow.source, flow.addresses.source),
            _end(flow.destination, flow.addresses.destination),
            _port(flow),
            flow.summary,
        )
    )


def _end(end: Endpoint, address: str) -> str:
    return f"{end.namespace}/{end.pod_name}" if end.pod_name else address


def _port(flow: Flow) -> str:
    port = f"{flow.l4.protocol or 'other'} {flow.l4.port}" if flow.l4.port is not None else flow.l4.protocol or "other"
    original = flow.original_destination
    if original is None:
        return port
    service = flow.destination_service
    before = f"{service.namespace}/{service.name}" if service is not None else original.ip
    return f"{flow.l4.protocol} {before}:{original.port}->{flow.l4.port}"


def _line(cells: tuple[str, ...]) -> str:
    *first, last = cells
    return " ".join((*(cell.ljust(width) for cell, width in zip(first, _WIDTHS, strict=True)), last)).rstrip()
