"""What nodes have reported to the leader: the bundle that they use, and the signers of their leaves. In memory."""

from __future__ import annotations

from collections.abc import Iterable

from podwire.mesh.identity.exchange import Requests
from podwire.mesh.identity.rotation import Reports


class NodeReports:
    """The last report of each node."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str, frozenset[str]]] = {}

    def take(self, node: str, message: Requests) -> None:
        """Take a report."""
        self._last[node] = message.bundle, frozenset(message.issuers)

    def reports(self, nodes: Iterable[str], version: str) -> Reports:
        """Return what matters to a rotation, while these nodes exist and the bundle has this version."""
        present = frozenset(nodes)
        for gone in self._last.keys() - present:
            del self._last[gone]
        is_known = all(self._last.get(node, ("", None))[0] == version for node in present)
        in_use = frozenset(issuer for _, issuers in self._last.values() for issuer in issuers)
        return Reports(is_known, in_use)

    def behind(self, nodes: Iterable[str], version: str) -> tuple[str, ...]:
        """Return the nodes that have not reported this bundle, sorted."""
        return tuple(sorted(node for node in nodes if self._last.get(node, ("", None))[0] != version))
