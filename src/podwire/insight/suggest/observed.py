"""Connections that were seen, counted by workloads at both ends. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from podwire.kube.pod_workloads import GENERATED, Workload
from podwire.policy.flows import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from podwire.policy.flows.record import Endpoint, Flow


class Peer(msgspec.Struct, frozen=True, order=True):
    """One end: a workload, or an address that is no pod's."""

    namespace: str = ""
    name: str = ""
    kind: str = ""
    address: str = ""

    def __str__(self) -> str:
        return self.address or f"{self.namespace}/{self.name} ({self.kind})"


class Way(msgspec.Struct, frozen=True, order=True):
    """Connections of the same kind. Without a protocol's name it is none that a NetworkPolicy can name."""

    source: Peer
    destination: Peer
    protocol: str
    port: int


class Observed(msgspec.Struct, frozen=True):
    """How often each way was seen, which of them were dropped, and the labels that all pods of a workload had."""

    counts: Mapping[Way, int]
    dropped: frozenset[Way]
    labels: Mapping[Peer, Mapping[str, str]]


def observed(flows: Iterable[Flow]) -> Observed:
    """Count connections: one that both nodes have recorded counts once."""
    seen: defaultdict[Way, set[object]] = defaultdict(set)
    forwarded: set[Way] = set()
    labels: dict[Peer, dict[str, str]] = {}
    for flow in flows:
        source, destination = (
            peer(flow.source, flow.addresses.source),
            peer(flow.destination, flow.addresses.destination),
        )
        ports = flow.l4.tcp or flow.l4.udp or flow.l4.sctp
        way = Way(source, destination, flow.l4.protocol, ports.destination_port if ports is not None else 0)
        seen[way].add((flow.addresses.source, ports, flow.addresses.destination))
        if flow.verdict == record.FORWARDED:
            forwarded.add(way)
        for end, known in ((source, flow.source), (destination, flow.destination)):
            if end.name:
                _common(labels, end, known.plain_labels)
    return Observed({way: len(seen[way]) for way in sorted(seen)}, frozenset(seen.keys() - forwarded), labels)


def peer(end: Endpoint, address: str) -> Peer:
    """The workload of an end, else its address."""
    if not end.pod_name:
        return Peer(address=address)
    made = end.workloads[0] if end.workloads else Workload(end.pod_name, "Pod")
    return Peer(end.namespace, made.name, made.kind)


def _common(labels: dict[Peer, dict[str, str]], end: Peer, found: Mapping[str, str]) -> None:
    known = labels.get(end, found)
    labels[end] = {key: value for key, value in known.items() if found.get(key) == value and key not in GENERATED}
