"""From what objects mean to rows: the pools of an owner, their endpoints, and the words that refer to them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from podwire.kube.backend_choice import Outcome
from podwire.kube.meta import NamespacedName
from podwire.services import model
from podwire.services.host_ports import PodOwner
from podwire.services.model import Entry, Pool, PoolKey, Scope
from podwire.services.node_view import NodeView, disjoint
from podwire.services.pool_row import PoolRow
from podwire.services.pools import Claim, Placed, PoolAddress, Pools
from podwire.services.rows import (
    DrawRow,
    FlowsRow,
    FrontendRow,
    MemberRow,
    Members,
    Row,
    SourceRow,
    StickyRow,
)
from podwire.services.word import GUARD, Verdict, slots_bits, sticky, timeout_bits, verdict_bits

Owner = NamespacedName | PodOwner

RANGES = NamespacedName("", "service-ranges")
NODE_PORTS = NamespacedName("", "nodeport-addresses")
"""Owners of the rows that belong to no object: the ranges of all Services, and the addresses with node ports. No
Service can have these names, as they have no namespace."""

_VIRTUAL = frozenset({Scope.CLUSTER, Scope.LOAD_BALANCER})
"""Scopes whose addresses belong to Services alone: their other ports are refused."""


class View(Protocol):
    """The current objects, as far as rows depend on them."""

    @property
    def node(self) -> NodeView:
        """The node that the rows are for."""
        ...

    def entries(self, owner: Owner) -> Iterable[Entry]:
        """The frontends of a Service or of a pod's host ports, none where there is no such object."""
        ...


def rows(owner: Owner, view: View, pools: Pools[Owner]) -> Iterator[Row]:
    """The rows of one Service, of one pod's host ports, or of RANGES or NODE_PORTS. Raises PoolsExhaustedError."""
    if owner == RANGES:
        yield from (MemberRow(Members.RANGE, block) for block in disjoint(view.node.service_ranges))
        return
    if owner == NODE_PORTS:
        yield from (MemberRow(Members.NODEPORT_ADDRESSES, block) for block in view.node.nodeport_ranges)
        return
    entries = tuple(view.entries(owner))
    placed = pools.keep(owner, _claims(entries))
    written: set[PoolKey] = set()
    for entry in entries:
        for pool, _ in _sides(entry):
            if pool.key not in written:
                written.add(pool.key)
                yield from _pool_rows(placed[pool.key], entry)
        yield from _frontend_rows(entry, placed, view.node)
        yield from (MemberRow(Members.HAIRPIN, address) for address in entry.local)
        if entry.frontend.protocol is model.Protocol.UDP:
            yield from _flows(entry, view.node)


def _claims(entries: Iterable[Entry]) -> Mapping[PoolKey, Claim]:
    """What each pool is to hold, and the frontends whose words name it."""
    claims: dict[PoolKey, Claim] = {}
    for entry in entries:
        for pool, outside in _sides(entry):
            address = PoolAddress(entry.frontend, outside)
            claim = claims.get(pool.key)
            if claim is None:
                claims[pool.key] = Claim(pool.choice.backends, entry.affinity_seconds > 0, [address])
            else:
                claim.addresses.append(address)
    return claims


def _sides(entry: Entry) -> Sequence[tuple[Pool, bool]]:
    """The pools that a frontend has words for, each with whether it is for clients outside alone."""
    return ((entry.inside, False), (entry.outside, True)) if entry.keeps_source else ((entry.inside, False),)


def _pool_rows(placed: Placed, entry: Entry) -> Iterator[Row]:
    """The endpoints of a pool by slot, or by number with session affinity."""
    protocol, family = entry.frontend.protocol, entry.frontend.family
    if not entry.affinity_seconds:
        if placed.slots:
            yield PoolRow(family, placed.number, protocol, placed.slots)
        return
    timeout = timeout_bits(entry.affinity_seconds)
    words = {backend: sticky(placed.number, number, timeout) for backend, number in placed.sticky.items()}
    yield from (StickyRow(word, protocol, backend) for backend, word in words.items())
    yield from (DrawRow(family, slot, words[backend]) for slot, backend in enumerate(placed.slots))


def _frontend_rows(entry: Entry, placed: Mapping[PoolKey, Placed], node: NodeView) -> Iterator[Row]:
    guard = 0 if entry.source_ranges is None else GUARD
    for pool, outside in _sides(entry):
        one = placed[pool.key]
        yield FrontendRow(entry.frontend, outside, _word(pool, one, entry.affinity_seconds) | guard)
        if entry.source_ranges is not None:
            yield from (SourceRow(one.number, network) for network in _sources(entry, entry.source_ranges, node))
    if entry.scope in _VIRTUAL:
        yield MemberRow(Members.VIRTUAL, entry.frontend.address)


def _sources(entry: Entry, ranges: tuple[str, ...], node: NodeView) -> Iterable[str]:
    """The admitted ranges. A node that is admitted may have the address itself, and reach itself from there."""
    return disjoint([*ranges, entry.frontend.address]) if node.has_address_in(ranges) else ranges


def _word(pool: Pool, placed: Placed, affinity_seconds: int) -> int:
    outcome = pool.choice.outcome
    if outcome is Outcome.USED:
        affine = affinity_seconds > 0
        bits = slots_bits(len(placed.slots), affine=affine) | timeout_bits(affinity_seconds)
    else:
        bits = verdict_bits(Verdict.DROP if outcome is Outcome.DROP else Verdict.REFUSE)
    return bits | placed.number


def _flows(entry: Entry, node: NodeView) -> Iterator[FlowsRow]:
    frontend, backends = entry.frontend, frozenset(entry.serving)
    if not frontend.is_node_port:
        yield FlowsRow(frontend.address, frontend.port, backends)
        return
    # A range holds addresses of other hosts too; of the node's own ones every flow to the port is to the node port.
    own = [address for address in node.addresses if node.is_nodeport_address(address)]
    for destination in dict.fromkeys((*own, *node.nodeport_ranges)):
        if (":" in destination) == (frontend.family == 6):
            yield FlowsRow(destination, frontend.port, backends)
