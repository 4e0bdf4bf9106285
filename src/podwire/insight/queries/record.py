"""A DNS answer as a flow record of type L7, in the words of Hubble, and as a line for readers. Pure.

Source: cilium `api/v1/flow/flow.proto` (Layer7, DNS).
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from podwire.insight.queries.packets import DnsAnswer
from podwire.policy.flows.record import FORWARDED, L4, Addresses, Endpoint, Flow, L4Ports

RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
_WIDTHS = (12, 34, 50, 5, 9, 9)
HEADER = ("TIME", "CLIENT", "NAME", "TYPE", "CODE", "LATENCY", "ANSWER")
SHOWN = 4
"""Addresses in a line; more are counted, and all are in JSON."""


class Dns(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer."""

    query: str
    qtypes: tuple[str, ...]
    ips: tuple[str, ...] = ()
    rcode: int = 0


class Layer7(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the packets mean. `latency_ns` is missing where the question was not seen."""

    type: str
    dns: Dns
    latency_ns: int | None = None


def flow_of(answer: DnsAnswer) -> Flow:
    """The connection of a query: from the client to the server."""
    version = "IPv6" if ":" in answer.client else "IPv4"
    return Flow(
        time=datetime.fromtimestamp(answer.time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        verdict=FORWARDED,
        node_name="",
        addresses=Addresses(answer.client, answer.server, version),
        l4=L4(udp=L4Ports(answer.client_port, 53)),
        type="L7",
        summary=f"DNS Answer {answer.name} {answer.type}: {answer.code}",
    )


def encode(flow: Flow, answer: DnsAnswer) -> bytes:
    """One JSON line."""
    dns = Dns(answer.name, (answer.type,), answer.addresses, RCODES.get(answer.code, 0))
    latency = int(answer.seconds * 1e9) if answer.seconds is not None else None
    fields = msgspec.to_builtins(flow) | {"l7": msgspec.to_builtins(Layer7("RESPONSE", dns, latency))}
    return msgspec.json.encode({"flow": fields, "time": flow.time}) + b"\n"


def header() -> str:
    """The names of the columns."""
    return _line(HEADER)


def line(flow: Flow, answer: DnsAnswer) -> str:
    """One line. Names are escaped: none can begin a line of its own."""
    more = len(answer.addresses) - SHOWN
    shown = ", ".join(answer.addresses[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    shown = shown or (f"{answer.records} records" if answer.records else "-")
    took = f"{answer.seconds * 1000:.2f} ms" if answer.seconds is not None else "-"
    return _line(
        (flow.time[11:23], _end(flow.source, answer.client), answer.name, answer.type, answer.code, took, shown)
    )


def _end(end: Endpoint, address: str) -> str:
    return f"{end.namespace}/{end.pod_name}" if end.pod_name else address


def _line(values: tuple[str, ...]) -> str:
    *first, last = values
    return " ".join([*(value.ljust(width) for value, width in zip(first, _WIDTHS, strict=True)), last]).rstrip()
