"""What is wrong with Services after each sync: events about them, and counts for metrics.

An event is emitted once while its problem lasts. Conflicts are the same on every node: only one node reports them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

import msgspec

from podwire.component.metrics import Family
from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Conflict
from podwire.kube.core import Node
from podwire.kube.discovery import EndpointSlice
from podwire.kube.meta import NamespacedName
from podwire.kube.services import Service
from podwire.kube.watch import Change
from podwire.services.derivation import Owner
from podwire.services.model import Frontend
from podwire.services.pool_row import PoolRow
from podwire.services.rows import FrontendRow, Row, StickyRow
from podwire.services.slots import MOST_AFFINE_BACKENDS, MOST_BACKENDS
from podwire.services.word import POOL, Verdict, meaning

ValueT = TypeVar("ValueT")
ObjectT_co = TypeVar("ObjectT_co", covariant=True)
Warn = Callable[[Service, str, str], None]
"""Emits a warning about a Service: its reason and message."""


class Objects(Protocol[ObjectT_co]):
    """The part of an informer that the checks need."""

    @property
    def objects(self) -> Mapping[NamespacedName, ObjectT_co]:
        """All objects by namespace and name."""
        ...


class Problem(msgspec.Struct, frozen=True, order=True):
    """One problem of one Service. `common`: it is the same on every node."""

    service: NamespacedName
    reason: str
    message: str
    common: bool = False


class ServiceChecks:
    """Problems of Services as the rows of one node show them."""

    def __init__(
        self,
        node: str,
        reconciler: Reconciler[Owner, Row],
        services: Objects[Service],
        nodes: Objects[Node],
    ) -> None:
        self._node = node
        self._reconciler = reconciler
        self._services = services
        self._nodes = nodes
        self._changed: set[NamespacedName] = set()
        self._known: frozenset[Problem] = frozenset()
        self._without: dict[NamespacedName, tuple[int, int]] = {}
        self._limited: dict[NamespacedName, Problem] = {}

    def service_changed(self, change: Change[Service]) -> None:
        """Look at the Service after the next sync."""
        self._changed.add(change.item.key)

    def slice_changed(self, change: Change[EndpointSlice]) -> None:
        """Look at the Service of the slice after the next sync."""
        if change.old is not None:
            self._changed.add(change.old.service)
        if change.new is not None:
            self._changed.add(change.new.service)

    def syncing(self) -> frozenset[NamespacedName]:
        """Take the Services that changed until now, before the sync that applies them."""
        changed, self._changed = frozenset(self._changed), set()
        return changed

    def synced(self, changed: Iterable[NamespacedName], warn: Warn) -> None:
        """Look at these Services, and at all conflicts and refusals; warn of what is new."""
        for key in changed:
            claimed = self._reconciler.table.claimed(key)
            _keep(self._without, key, without_local(claimed))
            _keep(self._limited, key, _limit(key, claimed))
        found = frozenset(self._problems())
        services = self._services.objects
        reports = self._reports_common()
        for problem in sorted(found - self._known):
            service = services.get(problem.service)
            if service is not None and (reports or not problem.common):
                warn(service, problem.reason, problem.message)
        self._known = found

    def families(self) -> Iterator[Family]:
        """Ports of Services with a policy Local that find no endpoint on this node, as kube-proxy counts them."""
        internal = sum(one for one, _ in self._without.values())
        external = sum(one for _, one in self._without.values())
        yield of_local_policies(internal, external)

    def _problems(self) -> Iterator[Problem]:
        table = self._reconciler.table
        yield from conflicts(table.conflicts())
        yield from self._limited.values()
        for refusal in table.refusals():
            for owner in table.claimants(refusal.row):
                if isinstance(owner, NamespacedName):
                    yield Problem(owner, "RowRefused", f"{self._node}: {refusal.row}: {refusal.reason}")
        for owner, reason in self._reconciler.underivable.items():
            if isinstance(owner, NamespacedName):
                text = f"{self._node}: what the Service had remains, as its new state cannot be programmed: {reason}"
                yield Problem(owner, "NotProgrammed", text)

    def _reports_common(self) -> bool:
        """Whether this is the first Ready node by name."""
        ready = [key.name for key, node in self._nodes.objects.items() if node.ready]
        return self._node == min(ready, default=self._node)


def of_local_policies(internal: int, external: int) -> Family:
    """The metric of ports without a local endpoint."""
    return Family(
        "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
        "Ports of Services with a Local traffic policy and no endpoint on this node.",
        "gauge",
        (({"traffic_policy": "internal"}, internal), ({"traffic_policy": "external"}, external)),
    )


def conflicts(found: Iterable[Conflict[Owner, Row]]) -> Iterator[Problem]:
    """Return, for each Service that an older one keeps off a frontend, which and who."""
    lost: defaultdict[tuple[NamespacedName, Owner], set[Frontend]] = defaultdict(set)
    for conflict in found:
        if isinstance(conflict.row, FrontendRow) and isinstance(conflict.owner, NamespacedName):
            lost[conflict.owner, conflict.winner].add(conflict.row.frontend)
    for (owner, winner), frontends in lost.items():
        what = ", ".join(sorted(map(_place, frontends)))
        who = f"Service {winner}" if isinstance(winner, NamespacedName) else f"the {winner}"
        text = f"{what}: connections go to {who}, which is older: change the address or the port of one of them"
        yield Problem(owner, "PortTaken", text, common=isinstance(winner, NamespacedName))


def without_local(rows: Iterable[Row]) -> tuple[int, int] | None:
    """Count the ports that drop because of internalTrafficPolicy and of externalTrafficPolicy; None for none."""
    found = [set[tuple[int, int]](), set[tuple[int, int]]()]
    for row in rows:
        if isinstance(row, FrontendRow) and meaning(row.word).verdict is Verdict.DROP:
            found[row.outside].add((row.frontend.family, row.word & POOL))
    internal, external = map(len, found)
    return (internal, external) if internal or external else None


def _limit(key: NamespacedName, rows: Collection[Row]) -> Problem | None:
    """Whether a port has as many endpoints as are used; those beyond get no connections."""
    if any(len(set(row.slots)) >= MOST_BACKENDS for row in rows if isinstance(row, PoolRow)):
        return Problem(key, "EndpointsOverLimit", f"{MOST_BACKENDS} endpoints of a port are used, and no more", True)
    if len(rows) < MOST_AFFINE_BACKENDS:
        return None
    sticky = Counter((":" in row.backend.address, row.word & POOL) for row in rows if isinstance(row, StickyRow))
    if sticky and max(sticky.values()) >= MOST_AFFINE_BACKENDS:
        text = f"sessionAffinity ClientIP: {MOST_AFFINE_BACKENDS} endpoints of a port are used, and no more"
        return Problem(key, "EndpointsOverLimit", text, common=True)
    return None


def _place(frontend: Frontend) -> str:
    address = "node port" if frontend.is_node_port else frontend.address
    return f"{address} {frontend.protocol.upper()} {frontend.port}"


def _keep(known: dict[NamespacedName, ValueT], key: NamespacedName, value: ValueT | None) -> None:
    if value is None:
        known.pop(key, None)
    else:
        known[key] = value
