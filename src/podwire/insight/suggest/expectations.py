"""What `podwire verify` has to prove: what was seen is possible, other ways between these workloads are not. Pure."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from podwire.kube.yaml_output import scalar
from podwire.policy.model import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from podwire.insight.suggest.observed import Observed, Peer, Way


def text(seen: Observed, namespaces: Collection[str]) -> str:
    """Return a file for `podwire verify`: ways between workloads, of which one end is in these namespaces."""
    lines = ["# What was seen is possible; the same ports are closed to all others that were seen.", "expectations:"]
    return "".join(f"{line}\n" for line in (*lines, *_entries(seen, namespaces)))


def _entries(seen: Observed, namespaces: Collection[str]) -> Iterator[str]:
    ways = [way for way in seen.counts if way.protocol in PROTOCOLS and way.source.name and way.destination.name]
    chosen = [way for way in ways if {way.source.namespace, way.destination.namespace} & set(namespaces)]
    allowed = {(way.source, way.destination, way.protocol, way.port) for way in chosen}
    for way in chosen:
        yield _entry(way.source, way, "allow")
    sources = sorted({end for way in chosen for end in (way.source, way.destination)})
    services = {(way.destination, way.protocol, way.port): way for way in chosen}
    for source, (key, way) in itertools.product(sources, sorted(services.items())):
        closed = source.namespace in namespaces or way.destination.namespace in namespaces
        if closed and source != way.destination and (source, *key) not in allowed:
            yield _entry(source, way, "deny")


def _entry(source: Peer, way: Way, expect: str) -> str:
    protocol = "" if way.protocol == "TCP" else f", protocol: {way.protocol}"
    target = way.destination
    return f"- {{from: {_name(source)}, to: {_name(target)}, port: {way.port}{protocol}, expect: {expect}}}"


def _name(end: Peer) -> str:
    """With its kind: a Service may have the workload's name."""
    return scalar(f"{end.namespace}/{end.kind.lower()}/{end.name}")
