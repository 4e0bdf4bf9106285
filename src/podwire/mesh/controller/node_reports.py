"""What nodes have reported to the leader: bundles, signers of leaves, what their Envoys refuse. In memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from podwire.edge.gateway.owners import Owner
from podwire.mesh.identity.exchange import LONGEST_REASON, MOST_REFUSALS, Requests
from podwire.mesh.identity.rotation import Reports

_REFUSED = re.compile(r"Envoy of node (\S+) refuses it: .*: change what this names", re.DOTALL)


class NodeReports:
    """The last report of each node.

    A new leader knows none before nodes have reported again, within a minute: until then what the one before has
    written about a node remains.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, frozenset[str]]] = {}
        self._refusals: dict[str, Mapping[Owner, str]] = {}
        self._present: frozenset[str] | None = None
        """The nodes; None while they are not known."""
        self._kept: dict[str, set[Owner]] = {}
        """By node without a report: of what an earlier leader's words remain."""
        self._listeners: list[Callable[[frozenset[Owner]], None]] = []

    def take(self, node: str, message: Requests) -> None:
        """Take a report."""
        self._last[node] = message.bundle, frozenset(message.issuers)
        refusals = message.refusals[:MOST_REFUSALS]
        self._refuse(node, {Owner(one.kind, one.namespace, one.name): one.reason[:LONGEST_REASON] for one in refusals})

    def subscribe(self, listener: Callable[[frozenset[Owner]], None]) -> None:
        """Call this with the objects of which an Envoy refuses something, or no longer does."""
        self._listeners.append(listener)

    def refusal(self, one: Owner, written: Iterable[str] = ()) -> str:
        """Return why a node's Envoy refuses what comes from an object, with the node; empty where none does.

        `written`: messages of the object's conditions, by this leader or one before.
        """
        refused = ((node, reasons[one]) for node, reasons in sorted(self._refusals.items()) if one in reasons)
        node, reason = next(refused, ("", ""))
        if node:
            return f"Envoy of node {node} refuses it: {reason}: change what this names"
        return next(
            (found[0] for text in written if (found := _REFUSED.search(text)) and self._keep(found[1], one)), ""
        )

    def _keep(self, node: str, one: Owner) -> bool:
        """Whether what an earlier leader has written about a node may still be so."""
        if node in self._last or (self._present is not None and node not in self._present):
            return False
        self._kept.setdefault(node, set()).add(one)
        return True

    def _refuse(self, node: str, reasons: Mapping[Owner, str]) -> None:
        before = self._refusals.pop(node, {})
        kept: frozenset[Owner] = frozenset(self._kept.pop(node, ()))
        if reasons:
            self._refusals[node] = reasons
        changed = kept.union(one for one in before.keys() | reasons.keys() if before.get(one) != reasons.get(one))
        if changed:
            for listener in self._listeners:
                listener(frozenset(changed))

    def reports(self, nodes: Iterable[str], version: str) -> Reports:
        """Return what matters to a rotation, while these nodes exist and the bundle has this version."""
        present = self._present = frozenset(nodes)
        for gone in (self._last.keys() | self._kept.keys()) - present:
            self._last.pop(gone, None)
            self._refuse(gone, {})
        is_known = all(self._last.get(node, ("", None))[0] == version for node in present)
        in_use = frozenset(issuer for _, issuers in self._last.values() for issuer in issuers)
        return Reports(is_known, in_use)

    def behind(self, nodes: Iterable[str], version: str) -> tuple[str, ...]:
        """Return the nodes that have not reported this bundle, sorted."""
        return tuple(sorted(node for node in nodes if self._last.get(node, ("", None))[0] != version))
