"""A batch that ends in the middle, as an agent dies, lets nothing through that neither old nor new rows allow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings

from podwire.engine.row import Delta
from podwire.engine.table import Table
from podwire.kernel.link_end import LinkEnd
from podwire.policy.model import IPAddress
from podwire.policy.narrow_first import Ground
from podwire.policy.rows import LinkRow, Row
from podwire.policy.sink import CHANGES_A_TRANSACTION, batches, steps
from podwire.policy.tier_rows import TieredRow
from podwire.policy.view import Owner
from tests.policy.cluster import Cluster, address, namespace
from tests.policy.nftables_model import Packet
from tests.policy.nftables_model import Table as Elements
from tests.policy.random_worlds import OUTSIDE, PROBES, addresses, random_world
from tests.policy.test_differential import (
    ADDRESSES,
    NAMESPACES,
    PROTOCOLS,
    build,
    four_labels,
    pods,
    specs,
    two_labels,
)

Links = Mapping[IPAddress, LinkEnd]

A_ROW_EACH = 0
"""The most changes of a transaction that make every batch a large one."""
SEARCHED = -1
"""For a batch in which a refused row is searched for."""


def links(pods_here: Sequence[Sequence[str]]) -> Links:
    """A link for each pod of this node, by its addresses."""
    return {address(ip): LinkEnd(f"pw{index}", index) for index, ips in enumerate(pods_here, start=1) for ip in ips}


def packets(ends: Sequence[str], protocols: Sequence[tuple[str, int | None]], here: Links) -> list[Packet]:
    """First packets between all addresses of which one at least is a pod's of this node."""
    return [
        Packet(address(source), address(target), protocol, port, address(source) in here, address(target) in here)
        for source, target, (protocol, port) in itertools.product(ends, ends, protocols)
        if (":" in source) == (":" in target) and {address(source), address(target)} & here.keys()
    ]


class Kernel:
    """Rows as elements come and go, and the groups of links."""

    def __init__(self, rows: set[Row], here: Links, sent: Sequence[Packet]) -> None:
        self.held: dict[Any, Row] = {row.key: row for row in rows if not isinstance(row, LinkRow)}
        self.groups = {row.link.name: row.identity for row in rows if isinstance(row, LinkRow)}
        self._links = here
        self._sent = sent

    def allowed(self) -> set[Packet]:
        """The packets that pass now."""
        table = Elements(set(self.held.values()))
        subjects = {ip: self.groups.get(link.name, 0) for ip, link in self._links.items()}
        return {packet for packet in self._sent if table.passes(packet, subjects)}

    def applied(self, delta: Delta[Row], most_changes: int) -> Iterator[None]:
        """Apply a batch, with a pause after each step and link; after each row where it takes several transactions."""
        for step in steps(delta, self.ground, most_changes):
            if isinstance(step, list):
                for link, group in step:
                    self.groups[link.name] = group
                    yield
                continue
            for change in step:
                self._change(*change)
                if most_changes == A_ROW_EACH:
                    yield
            yield

    def applied_row_by_row(self, delta: Delta[Row]) -> Iterator[None]:
        """Apply a batch as the search for a refused row does."""
        for batch in batches(delta, self.ground()):
            for part in batch.pieces(1):
                yield from self.applied(part, CHANGES_A_TRANSACTION)

    def ground(self) -> Ground:
        """What the order of a large batch depends on."""
        tiered = {(row.direction, row.subject) for row in self.held.values() if isinstance(row, TieredRow)}
        return Ground(tiered, set(self.groups.values()) - {0})

    def _change(self, old: Row | None, new: Row | None) -> None:
        if old is not None:
            assert self.held.pop(old.key) == old, "what is deleted is there"
        if new is not None:
            assert new.key not in self.held, "what is added is not there yet"
            self.held[new.key] = new


class Crossing:
    """A cluster that becomes another one in one batch."""

    def __init__(self, cluster: Cluster, here: Links, sent: Sequence[Packet]) -> None:
        self.cluster = cluster
        self._links = here
        self._sent = sent
        cluster.plug(here)
        self._before = set(cluster.settle())
        self._table: Table[Owner, Row] = Table()
        self._table.observe(tuple(self._before))

    def check(self, most_changes: int, always: Sequence[Packet] = ()) -> None:
        """Apply the batch: nothing opens, `always` passes at each pause, and the new rows are reached."""
        after = set(self.cluster.settle())
        for owner, rows in self.cluster.rows.items():
            self._table.replace(owner, rows)
        kernel, target = (Kernel(rows, self._links, self._sent) for rows in (self._before, after))
        ends = kernel.allowed() | target.allowed()
        delta = self._table.delta(prune=True)
        pauses = kernel.applied(delta, most_changes) if most_changes != SEARCHED else kernel.applied_row_by_row(delta)
        for _ in pauses:
            now = kernel.allowed()
            assert now <= ends, now - ends
            assert now >= set(always), set(always) - now
        assert (set(kernel.held.values()), kernel.groups) == (set(target.held.values()), target.groups)


FEW = links((("10.0.0.1", "fd00::1"), ("10.0.0.2", "fd00::2")))


def change(cluster: Cluster, labels: list[dict[str, str]], teams: list[dict[str, str]], new: list[Any]) -> None:
    """Turn the cluster into another one."""
    fresh = build(labels, teams, new)
    kept = {one.key for one in fresh.policies()}
    cluster.add(*(namespace(n, **team) for n, team in zip(NAMESPACES, teams, strict=True)), *pods(labels))
    cluster.add(*fresh.policies())
    cluster.remove(*(one for one in cluster.policies() if one.key not in kept))


def few_pods(examples: int, most_changes: int) -> None:
    """Compare all moments of batches of NetworkPolicies and labels at random."""

    @settings(max_examples=examples, deadline=None, database=None)
    @given(four_labels, four_labels, two_labels, specs, specs)
    def check(
        old_labels: list[dict[str, str]],
        new_labels: list[dict[str, str]],
        teams: list[dict[str, str]],
        old: list[Any],
        new: list[Any],
    ) -> None:
        crossing = Crossing(build(old_labels, teams, old), FEW, packets(ADDRESSES, PROTOCOLS[:2], FEW))
        change(crossing.cluster, new_labels, teams, new)
        crossing.check(most_changes)

    check()


WAYS = pytest.mark.parametrize(
    "most_changes", [CHANGES_A_TRANSACTION, A_ROW_EACH, SEARCHED], ids=["one transaction", "several", "searched"]
)


@WAYS
def test_no_moment_of_a_batch_allows_what_neither_end_does(most_changes: int) -> None:
    few_pods(10, most_changes)


@pytest.mark.long
@WAYS
def test_no_moment_of_hundreds_of_batches_allows_what_neither_end_does(most_changes: int) -> None:
    few_pods(400, most_changes)


@pytest.mark.parametrize("most_changes", [A_ROW_EACH, SEARCHED], ids=["several", "searched"])
def test_a_pod_is_isolated_before_its_peer_is_free_to_send(most_changes: int) -> None:
    """Before, the sender may not send; after, the receiver may not receive: never may both."""
    kinds = [{"app": "a"}, {"app": "b"}, {}, {}]
    deny = {"podSelector": {"matchLabels": {"app": "a"}}, "policyTypes": ["Egress"]}
    peer: dict[str, Any] = {"namespaceSelector": {}}
    crossing = Crossing(build(kinds, [{}, {}], [("x", deny)]), FEW, packets(ADDRESSES, PROTOCOLS[:1], FEW))
    change(crossing.cluster, kinds, [{}, {}], [("x", {**deny, "egress": [{"to": [peer]}]}), ("y", {})])
    crossing.check(most_changes)


def test_what_both_ends_allow_passes_while_a_peer_elsewhere_changes_and_a_pod_is_isolated() -> None:
    spec = {
        "podSelector": {"matchLabels": {"app": "a"}},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"tier": "a"}}}]}],
    }
    receives: dict[str, Any] = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}
    sent = packets(ADDRESSES, PROTOCOLS[:1], FEW)
    crossing = Crossing(build([{"app": "a"}, {}, {"tier": "a"}, {}], [{}, {}], [("x", spec)]), FEW, sent)
    new = [("x", spec), ("y", receives)]
    change(crossing.cluster, [{"app": "a"}, {}, {"tier": "a", "app": "b"}, {}], [{}, {}], new)
    kept = {("10.0.0.1", "10.0.0.3"), ("9.9.9.9", "10.0.0.2")}
    always = [packet for packet in sent if (str(packet.source), str(packet.destination)) in kept]
    assert len(always) == len(kept)
    crossing.check(A_ROW_EACH, always)


def both_kinds(seed: int, most_changes: int = A_ROW_EACH) -> None:
    """Policies of both kinds, nodes and names at random; pods of namespace z are on another node."""
    old, new = random_world(seed), random_world(seed + 10_000)
    keys = [f"{n}/{p}" for n in "xyz" for p in "abc"]
    here = links([addresses(key).split() for key in keys if key[0] != "z"])
    ends = [ip for key in keys[::2] for ip in addresses(key).split()]
    crossing = Crossing(old.cluster(here="xy"), here, packets((*ends, *OUTSIDE), PROBES[:3], here))
    cluster, objects = crossing.cluster, new.objects(here="xy")
    kept = {item.key for item in objects}
    cluster.add(*objects)
    new.learn(cluster)
    cluster.remove(*(one for one in cluster.policies() if one.key not in kept))
    cluster.remove(*(one for one in cluster.cluster_policies() if one.key not in kept))
    crossing.check(most_changes)


@pytest.mark.parametrize("seed", range(4))
def test_no_moment_allows_what_no_end_does_under_policies_of_both_kinds(seed: int) -> None:
    both_kinds(seed, SEARCHED if seed == 0 else A_ROW_EACH)


@pytest.mark.long
@pytest.mark.parametrize("start", range(100, 600, 20))
def test_no_moment_allows_what_no_end_does_under_hundreds_of_policies_of_both_kinds(start: int) -> None:
    for seed in range(start, start + 20):
        both_kinds(seed, SEARCHED if seed % 2 else A_ROW_EACH)
