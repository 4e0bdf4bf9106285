"""A batch that ends in the middle, as an agent dies, lets nothing through that neither old nor new rows allow."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings

from podwire.engine.table import Table
from podwire.kernel.link_end import LinkEnd
from podwire.policy.rows import LinkRow, Row
from podwire.policy.sink import steps
from podwire.policy.view import Owner
from tests.policy.cluster import Cluster, address, namespace
from tests.policy.nftables_model import Packet
from tests.policy.nftables_model import Table as Elements
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

LINKS = {
    address(ip): LinkEnd(name, index)
    for name, index, ips in (("pw1", 1, ("10.0.0.1", "fd00::1")), ("pw2", 2, ("10.0.0.2", "fd00::2")))
    for ip in ips
}
PACKETS = [
    Packet(address(source), address(target), protocol, port, address(source) in LINKS, address(target) in LINKS)
    for source, target, (protocol, port) in itertools.product(ADDRESSES, ADDRESSES, PROTOCOLS[:2])
    if (":" in source) == (":" in target) and {address(source), address(target)} & LINKS.keys()
]


class Kernel:
    """Rows as elements come and go, and the groups of links."""

    def __init__(self, rows: set[Row]) -> None:
        self.held: dict[Any, Row] = {row.key: row for row in rows if not isinstance(row, LinkRow)}
        self.groups = {row.link.name: row.identity for row in rows if isinstance(row, LinkRow)}

    def allowed(self) -> set[int]:
        """The packets that pass now."""
        table = Elements(set(self.held.values()))
        subjects = {ip: self.groups.get(link.name, 0) for ip, link in LINKS.items()}
        return {number for number, packet in enumerate(PACKETS) if table.passes(packet, subjects)}

    def applied(self, delta: Any) -> Iterator[None]:
        """Apply a batch of which each step is one transaction, with a pause after each step and change of a link."""
        for step in steps(delta):
            if isinstance(step, list):
                for link, group in step:
                    self.groups[link.name] = group
                    yield
                continue
            self.held.update({row.key: row for row in step.upserts})
            for row in step.removals:
                self.held.pop(row.key, None)
            yield


def change(cluster: Cluster, labels: list[dict[str, str]], teams: list[dict[str, str]], new: list[Any]) -> None:
    """Turn the cluster into another one."""
    fresh = build(labels, teams, new)
    kept = {one.key for one in fresh.policies()}
    cluster.add(*(namespace(n, **team) for n, team in zip(NAMESPACES, teams, strict=True)), *pods(labels))
    cluster.add(*fresh.policies())
    cluster.remove(*(one for one in cluster.policies() if one.key not in kept))


@settings(max_examples=10, deadline=None)
@given(four_labels, four_labels, two_labels, specs, specs)
def test_no_moment_of_a_batch_allows_what_neither_end_does(
    old_labels: list[dict[str, str]],
    new_labels: list[dict[str, str]],
    teams: list[dict[str, str]],
    old: list[Any],
    new: list[Any],
) -> None:
    cluster = build(old_labels, teams, old)
    cluster.plug(LINKS)
    before = cluster.settle()
    table: Table[Owner, Row] = Table()
    table.observe(tuple(before))
    change(cluster, new_labels, teams, new)
    after = cluster.settle()
    for owner, rows in cluster.rows.items():
        table.replace(owner, rows)
    delta = table.delta(prune=True)
    kernel = Kernel(before)
    ends = kernel.allowed() | Kernel(after).allowed()
    for _ in kernel.applied(delta):
        assert kernel.allowed() <= ends, [PACKETS[one] for one in kernel.allowed() - ends]
    assert kernel.allowed() == Kernel(after).allowed()
