"""Where connections leave the cluster: by the pod's node, or by an EgressGateway. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podwire.egress.model import Gateway
from podwire.insight.connection.points import Kind, Point
from podwire.insight.connection.sides import Way
from podwire.insight.service.report import Finding, Severity
from podwire.insight.snapshot.egress_view import gateway_of, serving_node
from podwire.insight.snapshot.snapshot import Snapshot

REASON = "EgressGateway"


def egress_ways(ways: Iterable[Way], snapshot: Snapshot) -> Iterator[Finding]:
    """Yield by which gateway each client leaves the cluster; nothing of those that leave by their node."""
    for way in ways if snapshot.egress_gateways else ():
        if way.source.kind is not Kind.POD or way.destination.kind not in (Kind.ADDRESS, Kind.OUTSIDE):
            continue
        workload = way.source.workload
        gateway = gateway_of(workload, snapshot) if workload is not None else None
        if gateway is not None and _is_towards(gateway, way.destination):
            yield _finding(way, gateway, snapshot)


def _finding(way: Way, gateway: Gateway, snapshot: Snapshot) -> Finding:
    name, node = way.source.name, serving_node(gateway, snapshot)
    if gateway.problems:
        text = f"EgressGateway {gateway.name} is not valid, so {name} does not leave the cluster: {gateway.problems[0]}"
        return Finding(Severity.WARNING, REASON, f"{text}.", "Correct it.")
    address = gateway.address(way.source.family)
    if address is None:
        text = f"{name} leaves by its own node: EgressGateway {gateway.name} has no IPv{way.source.family} address."
        return Finding(Severity.NOTE, REASON, text)
    if not node and not snapshot.is_planned:
        text = f"No node of EgressGateway {gateway.name} is Ready, so {name} does not leave the cluster."
        return Finding(Severity.WARNING, REASON, text, "Add a node to spec.gateways.")
    by = f", node {node}" if node else ""
    return Finding(Severity.NOTE, REASON, f"{name} leaves by EgressGateway {gateway.name}{by}, with address {address}.")


def _is_towards(gateway: Gateway, destination: Point) -> bool:
    """Whether the destination is one of the gateway's; of one that is not known, whether it may be."""
    ranges = tuple(gateway.towards(destination.family))
    if not destination.addresses:
        return bool(ranges)
    return any(address in network for address in destination.addresses for network in ranges)
