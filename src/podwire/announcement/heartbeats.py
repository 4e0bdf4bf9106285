"""Which nodes have an agent that works, by the Leases that agents renew. No I/O.

The unit of time is the own Lease: each change of it that the API server reports counts one. So no clocks are compared,
and while the server or the watch is away no node seems dead. A node whose Lease did not change for MISSED of these is
without an agent, and so is one that never had a Lease, once those that work had time to make theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from podwire.kube.coordination import Lease
from podwire.kube.watch import Change

MISSED = 4
"""Own renewals after which a node that did not renew has no agent: longer than an agent's restart takes."""
RECENT = timedelta(seconds=60)
"""A Lease that is older at the start is one of an agent that ended before: further apart than clocks should be."""


class Heartbeats:
    """What is known of the agents of all nodes. Until `begin` all of them count as alive."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._count = 0
        self._renewed: dict[str, str | None] = {}
        """The renewal that was seen last, by node."""
        self._seen: dict[str, int] = {}
        """The own count at that time; of dead ones that it began with, so that they are dead."""
        self._complete = False
        """Whether a node without a Lease has no agent."""

    def begin(self, leases: Iterable[Lease], now: datetime) -> None:
        """Take the Leases that exist at the start. `now` is this machine's time, which has a zone.

        Where the own Lease is recent, agents were at work a moment ago: who has no recent one is dead from the start.
        Elsewhere all have to begin, and are given the time.
        """
        found = {lease.spec.holder_identity: lease.spec.renew_time for lease in leases}
        recent = {node for node, renewed in found.items() if renewed and now - _moment(renewed, now) < RECENT}
        self._complete = self._own in recent
        self._renewed = dict(found)
        for node in found:
            self._seen[node] = -MISSED if self._complete and node not in recent else 0

    def lease_changed(self, change: Change[Lease]) -> bool:
        """Take a change; return whether other nodes have agents now than before. A deleted Lease is one that stops."""
        if change.new is None:
            return False
        node, renewed = change.new.spec.holder_identity, change.new.spec.renew_time
        if self._renewed.get(node) == renewed:
            return False
        before = self.dead, self._complete
        self._renewed[node] = renewed
        self._count += node == self._own
        self._complete = self._complete or self._count >= MISSED
        is_new = node not in self._seen
        self._seen[node] = self._count
        return is_new or (self.dead, self._complete) != before

    @property
    def dead(self) -> frozenset[str]:
        """The nodes whose Lease is not renewed any more."""
        return frozenset(node for node, seen in self._seen.items() if self._count - seen >= MISSED)

    def living(self, nodes: frozenset[str]) -> frozenset[str]:
        """Return those of these nodes that have an agent; all where none has: the fault is not theirs then."""
        dead = self.dead
        living = frozenset(
            n for n in nodes if n not in dead and (n == self._own or not self._complete or n in self._seen)
        )
        return living or nodes


def _moment(text: str, now: datetime) -> datetime:
    """Read a MicroTime; what is none counts as now."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return now
    return found if found.tzinfo is not None else now
