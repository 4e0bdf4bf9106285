"""One policy for each workload: what was seen is allowed, and the rest closed. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from podwire.insight.suggest.observed import Observed, Peer, Way
from podwire.policy.model import PROTOCOLS, Direction

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Port = tuple[str, int]


class SeenRule(msgspec.Struct, frozen=True):
    """Peers that have these ports in common; `counts` are connections of each peer."""

    peers: tuple[Peer, ...]
    ports: tuple[Port, ...]
    counts: tuple[int, ...]
    dropped: bool


class SeenPolicy(msgspec.Struct, frozen=True):
    """The policy of a workload. `unnamed` are ways of protocols that a NetworkPolicy cannot name."""

    workload: Peer
    ingress: tuple[SeenRule, ...]
    egress: tuple[SeenRule, ...]
    unnamed: tuple[Way, ...]

    def rules(self, direction: Direction) -> tuple[SeenRule, ...]:
        """The rules of a direction."""
        return self.ingress if direction is Direction.INGRESS else self.egress


def policies(seen: Observed, namespaces: Collection[str]) -> list[SeenPolicy]:
    """Return the policies of all workloads of these namespaces that were seen."""
    ends = {end for way in seen.counts for end in (way.source, way.destination)}
    chosen = sorted(end for end in ends if end.name and end.namespace in namespaces)
    return [_policy(seen, workload) for workload in chosen]


def _policy(seen: Observed, workload: Peer) -> SeenPolicy:
    received = [way for way in seen.counts if way.destination == workload]
    sent = [way for way in seen.counts if way.source == workload]
    unnamed = {way for way in (*received, *sent) if way.protocol not in PROTOCOLS}
    return SeenPolicy(
        workload,
        tuple(_rules(seen, ((way, way.source) for way in received if way not in unnamed))),
        tuple(_rules(seen, ((way, way.destination) for way in sent if way not in unnamed))),
        tuple(sorted(unnamed)),
    )


def _rules(seen: Observed, ways: Iterable[tuple[Way, Peer]]) -> list[SeenRule]:
    """Rules as few as there are sets of ports: peers with the same ones share a rule."""
    by_peer: defaultdict[Peer, list[Way]] = defaultdict(list)
    for way, other in ways:
        by_peer[other].append(way)
    shared: defaultdict[tuple[tuple[Port, ...], bool], dict[Peer, int]] = defaultdict(dict)
    for other, found in by_peer.items():
        for dropped in (False, True):
            mine = [way for way in found if (way in seen.dropped) == dropped]
            if mine:
                ports = tuple(sorted({(way.protocol, way.port) for way in mine}))
                shared[ports, dropped][other] = sum(seen.counts[way] for way in mine)
    return [
        SeenRule(tuple(sorted(peers)), ports, tuple(peers[one] for one in sorted(peers)), dropped)
        for (ports, dropped), peers in sorted(shared.items(), key=lambda item: (item[0][1], sorted(item[1]), item[0]))
    ]
